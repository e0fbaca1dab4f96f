"""TIFF pictures whose strips or tiles do not fit their size: a wrong width shears every row."""

import io
import math
import struct
from dataclasses import dataclass

from PIL import Image
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    FILLORDER,
    IMAGELENGTH,
    IMAGEWIDTH,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    ROWSPERSTRIP,
    SAMPLESPERPIXEL,
    STRIPBYTECOUNTS,
    STRIPOFFSETS,
    TILEBYTECOUNTS,
    TILELENGTH,
    TILEOFFSETS,
    TILEWIDTH,
    TiffImageFile,
)

_NONE = 1
_LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD = 5, 8, 32946, 32773, 34925, 50000
_BYTEWISE = {_LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD}
"""Compressions of bytes, which do not know how wide a row is."""
_YCBCR = 6
_MOST_CHECKED = 1 << 26
_PADDING = 16
"""Bytes by which writers may round up a strip; some fill up the last one to the others' size."""
_SHORT, _LONG = 3, 4


@dataclass(frozen=True)
class _Layout:
    """How the pixels of a picture lie in its file.

    Attributes:
        row: bytes of a row of a part, as decoded.
        rows: of each part, in the file's order.
        full: rows of a part that is not the last of its plane.
        offsets: of the parts.
        counts: bytes of the parts, as coded.
    """

    row: int
    rows: tuple[int, ...]
    full: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]


def tiff_contradiction(image: TiffImageFile, data: bytes) -> int:
    """Whether a TIFF's header promises other pixels than its strips or tiles hold.

    Args:
        image: opened, not yet loaded.
        data: the file's bytes.

    Returns:
        1 where the header promises more, -1 where it promises fewer, 0 where both agree or where
        nothing can be said: codecs of pictures keep sizes of their own.
    """
    layout = _layout(image)
    if layout is None:
        return 0
    if len(layout.counts) != len(layout.rows):
        return 1 if len(layout.counts) < len(layout.rows) else -1
    compression = image.tag_v2.get(COMPRESSION, _NONE)
    for rows, offset, count in zip(layout.rows, layout.offsets, layout.counts, strict=True):
        size, longest = rows * layout.row, max(rows, layout.full) * layout.row
        if compression == _NONE and count:
            if count < size - _PADDING:
                return 1
            if count > size + _PADDING and count != longest:
                return -1
        elif compression in _BYTEWISE and image.tag_v2.get(FILLORDER, 1) == 1:
            coded, most = data[offset : offset + count], longest + _PADDING
            if most <= _MOST_CHECKED and _decodes_to(coded, compression, most):
                return -1
    return 0


def _layout(image: TiffImageFile) -> _Layout | None:
    tags = image.tag_v2
    width, height = tags.get(IMAGEWIDTH, 0), tags.get(IMAGELENGTH, 0)
    if width < 1 or height < 1 or tags.get(PHOTOMETRIC_INTERPRETATION) == _YCBCR:
        return None
    samples = tags.get(SAMPLESPERPIXEL, 1)
    bits = tags.get(BITSPERSAMPLE, (1,))
    planes = samples if tags.get(PLANAR_CONFIGURATION, 1) == 2 else 1
    pixel = bits[0] if planes > 1 else bits[0] * samples
    if TILEWIDTH in tags and TILELENGTH in tags:
        wide, high = tags[TILEWIDTH], tags[TILELENGTH]
        if wide < 1 or high < 1:
            return None
        count = math.ceil(width / wide) * math.ceil(height / high)
        rows, row, full = (high,) * count, math.ceil(wide * pixel / 8), high
        offsets, counts = tags.get(TILEOFFSETS), tags.get(TILEBYTECOUNTS)
    else:
        full = max(1, min(tags.get(ROWSPERSTRIP, height), height))
        last = height % full
        rows = (full,) * (height // full) + ((last,) if last else ())
        row = math.ceil(width * pixel / 8)
        offsets, counts = tags.get(STRIPOFFSETS), tags.get(STRIPBYTECOUNTS)
    if not offsets or not counts or len(offsets) != len(counts):
        return None
    return _Layout(row, rows * planes, full, tuple(offsets), tuple(counts))


def _decodes_to(coded: bytes, compression: int, size: int) -> bool:
    """Whether a strip holds at least so many bytes, by libtiff: as one row of grey pixels."""
    entries = (
        (IMAGEWIDTH, _LONG, size),
        (IMAGELENGTH, _SHORT, 1),
        (BITSPERSAMPLE, _SHORT, 8),
        (COMPRESSION, _SHORT, compression),
        (PHOTOMETRIC_INTERPRETATION, _SHORT, 1),
        (STRIPOFFSETS, _LONG, 8),
        (SAMPLESPERPIXEL, _SHORT, 1),
        (ROWSPERSTRIP, _SHORT, 1),
        (STRIPBYTECOUNTS, _LONG, len(coded)),
    )
    padded = coded + b"\0" * (len(coded) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHIHxx" if kind == _SHORT else "<HHII", tag, kind, 1, value)
        for tag, kind, value in entries
    )
    head = struct.pack("<2sHI", b"II", 42, 8 + len(padded))
    file = io.BytesIO(head + padded + directory + struct.pack("<I", 0))
    try:
        with Image.open(file, formats=["TIFF"]) as strip:
            strip.load()
    except OSError:
        return False
    return True
