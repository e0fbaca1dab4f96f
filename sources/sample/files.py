"""Pictures and sounds as real files in the formats of the world."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from sources.sample.tastes import Array

PICTURE_FORMATS = ("jpg", "jpg", "jpg", "png", "webp", "png-alpha", "jpg-cmyk", "jpg-exif")
SOUND_FORMATS = ("wav", "flac", "ogg", "mp3")
SOUND_RATES = (16_000, 16_000, 22_050, 22_050, 44_100)
OPUS_RATE = 24_000

_ORIENTATION = 0x0112
_QUARTER_TURN = 6
_FRAMES_A_SECOND = 4
_CODECS = {"wav": "pcm_s16le", "flac": "flac", "ogg": "libopus", "mp3": "libmp3lame"}
_EXACT = {"fflags": "+bitexact"}
# The quickest search: the default takes most of the time that the catalogue takes.
_OPTIONS = {
    "libmp3lame": {"compression_level": "9"},
    "libopus": {"compression_level": "2"},
    "aac": {"aac_coder": "fast"},
}


def encode_picture(image: Image.Image, kind: str) -> bytes:
    """The bytes of an RGB picture in one of `PICTURE_FORMATS`."""
    buffer = io.BytesIO()
    if kind == "png":
        image.save(buffer, "PNG", compress_level=3)
    elif kind == "png-alpha":
        _with_soft_edge(image).save(buffer, "PNG", compress_level=3)
    elif kind == "webp":
        image.save(buffer, "WEBP", quality=85, method=1)
    elif kind == "jpg-cmyk":
        image.convert("CMYK").save(buffer, "JPEG", quality=90)
    elif kind == "jpg-exif":
        exif = Image.Exif()
        exif[_ORIENTATION] = _QUARTER_TURN
        image.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=90, exif=exif)
    else:
        image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_sound(path: Path, sound: Array, rate: int, kind: str) -> None:
    """Writes sound (channels, n) in one of `SOUND_FORMATS`."""
    with av.open(str(path), "w", format=kind, options=_EXACT) as container:
        track = _sound_track(container, _CODECS[kind], sound, rate)
        _encode_sound(container, track, sound, rate)


def write_clip(path: Path, image: Image.Image, sound: Array, rate: int) -> None:
    """Writes an MP4 whose frames are the picture and whose sound track is the sound."""
    pixels = np.asarray(image)
    with av.open(str(path), "w", format="mp4", options=_EXACT) as container:
        video: Any = container.add_stream(
            "mpeg4", rate=_FRAMES_A_SECOND, options={"flags": "+bitexact+qscale", "threads": "1"}
        )
        video.width, video.height, video.pix_fmt = image.width, image.height, "yuv420p"
        video.bit_rate = 900_000
        track = _sound_track(container, "aac", sound, rate)
        for number in range(max(2, int(sound.shape[1] / rate * _FRAMES_A_SECOND))):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, _FRAMES_A_SECOND)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        _encode_sound(container, track, sound, rate)


def _sound_track(container: Any, codec: str, sound: Array, rate: int) -> Any:
    options = {"flags": "+bitexact", **_OPTIONS.get(codec, {})}
    return container.add_stream(codec, rate=rate, layout=_layout(sound), options=options)


def _layout(sound: Array) -> str:
    return "mono" if sound.shape[0] == 1 else "stereo"


def _encode_sound(container: Any, stream: Any, sound: Array, rate: int) -> None:
    layout = _layout(sound)
    samples = np.rint(sound * 32_767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples.T.reshape(1, -1)), format="s16", layout=layout
    )
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(
        format=stream.format, layout=layout, rate=rate, frame_size=stream.codec_context.frame_size
    )
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def _with_soft_edge(image: Image.Image) -> Image.Image:
    """The picture with a border that fades to transparent."""
    width, height = image.size
    down, across = np.mgrid[0:height, 0:width]
    edge = np.minimum.reduce([down, across, height - 1 - down, width - 1 - across])
    alpha = np.clip(edge * 25, 0, 255).astype(np.uint8)
    faded = image.copy()
    faded.putalpha(Image.fromarray(alpha, "L"))
    return faded
