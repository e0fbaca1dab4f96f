"""Pictures: bounded before they are decoded, upright, opaque, RGB."""

import importlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps

from models.media.jpeg_ends import ended, ended_otherwise, picture_end
from models.media.limits import MediaError, MediaLimits
from models.media.paths import Content, read_content
from models.media.pixel_counts import check_pixel_count
from models.media.png_parts import png_parts

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


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        image: RGB, upright, opaque.
        note: what the file lacks, one sentence; None where it is whole.
    """

    image: Image.Image
    note: str | None = None


def decode_image(path: Path, limits: MediaLimits) -> Image.Image:
    """The picture in a file: RGB, rotated as its EXIF says, alpha composed on white.

    Raises:
        MediaError: the file is no picture, damaged or beyond the limits.
    """
    return decode_picture(read_content(path, limits), limits).image


def decode_picture(
    content: Content, limits: MediaLimits, at_least: int | None = None, *, thorough: bool = False
) -> Picture:
    """Like `decode_image`, of bytes already read.

    Args:
        content: the file.
        limits: bounds.
        at_least: a JPEG may be decoded at a fraction of its size as long as its shorter side keeps
            this many pixels, which is several times faster for photographs.
        thorough: whether a JPEG that has an end is decoded twice, to see if its pixels end before.
    """
    if content.type.kind != "picture":
        raise MediaError(f"The file is no picture but {content.type.mime}.")
    with _damage_told():
        if content.type.decoder == "JPEG":
            return _jpeg(content.data, limits, at_least, thorough)
        if content.type.decoder == "PNG":
            return _png(content.data, limits)
        if content.type.decoder == "HEIF":
            _require_heif()
        return Picture(_pixels(content.data, content.type.decoder, limits))


@contextmanager
def _damage_told() -> Iterator[None]:
    """Errors of Pillow and its codecs as a `MediaError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("The picture needs more memory than a decoder may use.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError("The picture is a decompression bomb: its size is absurd.") from error
    except _DAMAGE as error:
        raise MediaError(f"The picture is damaged ({_first_line(error)}).") from error


def _jpeg(data: bytes, limits: MediaLimits, at_least: int | None, thorough: bool) -> Picture:
    """A JPEG, and how much of it is missing.

    libjpeg invents pixels that the data do not reach. To tell them from real ones, the data are
    decoded with two different endings: pixels that differ come from the ending, so are missing. A
    file with an end is only checked so where `thorough` asks for it.
    """
    end = picture_end(data)
    if end is not None and not thorough:
        return Picture(_pixels(data, "JPEG", limits, at_least))
    image = _pixels(data if end is not None else ended(data), "JPEG", limits, at_least)
    other = _pixels(ended_otherwise(data[:end]), "JPEG", limits, at_least)
    difference = ImageChops.difference(image, other)
    if difference.getbbox() is None:
        return Picture(image, _judge_lost(0.0, end is not None, limits))
    if end is not None:
        raise MediaError(
            "The picture is damaged: its data end before its pixels do, which may be wrong from "
            "any place on; get another copy of the file."
        )
    lost = float(np.asarray(difference).any(axis=2).mean())
    return Picture(image, _judge_lost(lost, False, limits))


def _png(data: bytes, limits: MediaLimits) -> Picture:
    parts = png_parts(data, limits)
    note = _judge_lost(parts.lost, parts.ended, limits)
    return Picture(_pixels(parts.data, "PNG", limits, key=parts.key), note)


def _judge_lost(lost: float, ended: bool, limits: MediaLimits) -> str | None:
    """The note on a picture whose pixels are missing at its end, None where it is whole."""
    if lost > limits.max_lost_share:
        raise MediaError(
            f"The picture is cut short: {lost:.0%} of its pixels are missing; get the whole file."
        )
    if lost:
        return f"{max(lost, 0.001):.1%} of its pixels are missing; the rest is used."
    return None if ended else "The file lacks its last bytes; all of its pixels are there."


def _require_heif() -> None:
    """Registers Pillow's plug-in where someone has installed it."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        raise MediaError(
            "The file is an HEIC picture, which needs the package pillow-heif: install it, or "
            "save the picture as JPEG."
        ) from error


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


def _pixels(
    data: bytes,
    decoder: str,
    limits: MediaLimits,
    at_least: int | None = None,
    key: tuple[int, ...] | None = None,
) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=[decoder]) as image:
        _check_size(image.size, limits)
        check_pixel_count(image, data)
        if at_least is not None and image.format == "JPEG":
            image.draft(None, (at_least, at_least))
        image.load()
        _check_size(image.size, limits)
        return _opaque(image if key is None else _keyed(image, key))


def _opaque(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        return _scaled_to_bytes(upright)
    if upright.has_transparency_data:
        return _on_white(upright)
    return upright if upright.mode == "RGB" else upright.convert("RGB")


def _keyed(image: Image.Image, key: tuple[int, ...]) -> Image.Image:
    """The picture with white where its pixels have the one transparent value."""
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    matching = (values == key).all(axis=2) if values.ndim == 3 else values == key[0]
    white = 65535 if image.mode.startswith("I") else 255
    filled = Image.fromarray(
        np.where(matching[..., None] if values.ndim == 3 else matching, white, values).astype(
            values.dtype
        )
    )
    filled.info |= image.info
    return filled


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
