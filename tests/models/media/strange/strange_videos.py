"""Videos whose left half is red and whose right half is green, as cameras and phones write them."""

import io
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT = 96, 48
_TURNS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
_MATRIX_AT = 44
_FIRST = ("wide", "skip", "free", "mdat")


def video(kind: str, codec: str, **options: str) -> bytes:
    """Twelve frames in a container of FFmpeg."""
    buffer = io.BytesIO()
    pixels = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[:, : WIDTH // 2, 0] = pixels[:, WIDTH // 2 :, 1] = 255
    with av.open(buffer, "w", format=kind, options=options) as container:
        track: Any = container.add_stream(codec, rate=25, options={"g": "4"})
        track.width, track.height, track.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return buffer.getvalue()


def turned(degrees: int, kind: str = "mp4") -> bytes:
    """A video that a player turns clockwise: the matrix of its track header says so."""
    data = bytearray(video(kind, "mpeg4"))
    at = data.index(b"tkhd") + _MATRIX_AT
    a, b, c, d = (value << 16 for value in _TURNS[degrees])
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(data)


def beginning_with(atom: bytes) -> bytes:
    """A QuickTime movie whose first atom is not `ftyp`, as before that was invented."""
    return video("mov", "mpeg4").replace(b"ftyp", atom, 1)


def formats() -> dict[str, bytes]:
    return {
        "mp4": video("mp4", "mpeg4"),
        "quicktime": video("mov", "mpeg4"),
        "3gp": video("3gp", "mpeg4"),
        "mpeg transport": video("mpegts", "mpeg2video"),
        "mpeg program": video("mpeg", "mpeg2video"),
        "flash": video("flv", "flv1"),
        "windows media": video("asf", "wmv2"),
        "avi": video("avi", "mpeg4"),
        "matroska": video("matroska", "mpeg4"),
        **{f"quicktime with {atom} first": beginning_with(atom.encode()) for atom in _FIRST},
    }
