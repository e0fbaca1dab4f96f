"""Pictures: bounded before they are decoded, upright, opaque, RGB."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from models.media.limits import MediaError, MediaLimits
from models.media.paths import Content, read_content

Pixels = NDArray[np.uint8]

AREA = 224 * 224
"""Pixels of the encoder's input, whatever the picture's aspect."""

_RATIOS = (1.0, 4 / 3, 3 / 2, 16 / 9, 2.0)
_GRID = 4
# What Pillow and its codecs are known to raise on damaged bytes.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def decode_image(path: Path, limits: MediaLimits) -> Image.Image:
    """The picture in a file: RGB, rotated as its EXIF says, alpha composed on white.

    Raises:
        MediaError: the file is no picture, damaged or beyond the limits.
    """
    return decode_picture(read_content(path, limits), limits)


def decode_picture(
    content: Content, limits: MediaLimits, at_least: int | None = None
) -> Image.Image:
    """Like `decode_image`, of bytes already read.

    Args:
        content: the file.
        limits: bounds.
        at_least: a JPEG may be decoded at a fraction of its size as long as its shorter side keeps
            this many pixels, which is several times faster for photographs.
    """
    if content.type.kind != "picture":
        raise MediaError(f"The file is no picture but {content.type.mime}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(io.BytesIO(content.data), formats=[content.type.decoder]) as image:
                return _decoded(image, limits, at_least)
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("The picture needs more memory than a decoder may use.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError("The picture is a decompression bomb: its size is absurd.") from error
    except _DAMAGE as error:
        raise MediaError(f"The picture is damaged ({_first_line(error)}).") from error


def shrunk(image: Image.Image, longest: int) -> Image.Image:
    """The picture with its longer side at most `longest` pixels, its aspect kept."""
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def bucket(width: int, height: int) -> tuple[int, int]:
    """Width and height, of about `AREA` pixels, nearest in aspect to those of a picture.

    There are nine of them, so that pictures of one kind stack into batches; a 2:3 poster becomes
    184 x 276. Keeping the aspect beats a squashed square (co-watch precision@10 .114 to .106).
    """
    aspects = np.array([1 / ratio for ratio in _RATIOS[:0:-1]] + list(_RATIOS))
    aspect = aspects[np.abs(np.log(aspects) - np.log(height / width)).argmin()]
    side = AREA**0.5
    return (
        round(side / aspect**0.5 / _GRID) * _GRID,
        round(side * aspect**0.5 / _GRID) * _GRID,
    )


def to_bucket(image: Image.Image) -> Pixels:
    """The picture in the size of its bucket: (height, width, 3) uint8."""
    size = bucket(*image.size)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))


def _decoded(image: Image.Image, limits: MediaLimits, at_least: int | None) -> Image.Image:
    _check_size(image.size, limits)
    if at_least is not None and image.format == "JPEG":
        image.draft(None, (at_least, at_least))
    image.load()
    _check_size(image.size, limits)
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        return _on_white(upright)
    if upright.mode.startswith(("I", "F")):
        return _scaled_to_bytes(upright)
    return upright if upright.mode == "RGB" else upright.convert("RGB")


def _check_size(size: tuple[int, int], limits: MediaLimits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise MediaError("The picture has no pixels.")
    if width * height > limits.max_pixels:
        raise MediaError(
            f"The picture has {width} x {height} pixels, "
            f"more than the {limits.max_pixels / 1e6:g} million allowed."
        )


def _on_white(image: Image.Image) -> Image.Image:
    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(layered, mask=layered.getchannel("A"))
    return canvas


def _scaled_to_bytes(image: Image.Image) -> Image.Image:
    """Sixteen-bit and float pictures, which Pillow's own conversion would clip to white."""
    values = np.asarray(image, dtype=np.float32)
    if not np.isfinite(values).all():
        raise MediaError("The picture holds pixels that are not numbers.")
    top = 65535.0 if image.mode.startswith("I;16") else max(float(values.max()), 1.0)
    grey = np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
