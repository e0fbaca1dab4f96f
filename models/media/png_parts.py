"""The parts of a PNG that its pixels come from: metadata of any size stay outside the decoder."""

import struct
import zlib
from dataclasses import dataclass

from models.media.limits import MediaError, MediaLimits

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_GREY, _COLOUR, _PALETTE = 0, 2, 3
_NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ORIENTED = {b"XML:com.adobe.xmp", b"Raw profile type exif"}
"""Texts in which programs write how a picture is turned."""
_LONGEST_TEXT = 1 << 20


@dataclass(frozen=True)
class PngParts:
    """What a decoder needs.

    Attributes:
        data: a PNG of header, palette, pixels and orientation.
        key: the one grey or (red, green, blue) that is transparent, in the decoder's values: 0 to
            255, or to 65,535 for grey of 16 bits; None where there is none.
        lost: share of the pixels that the file lacks at its end; they are black in `data`.
        ended: whether the file goes to its end.
    """

    data: bytes
    key: tuple[int, ...] | None
    lost: float
    ended: bool


def png_parts(data: bytes, limits: MediaLimits) -> PngParts:
    """Takes a PNG apart.

    Raises:
        MediaError: a part that the pixels need is damaged.
    """
    chunks, ended = _chunks(data)
    names = [name for name, _ in chunks]
    if names[:1] != [b"IHDR"] or b"IDAT" not in names:
        raise MediaError("The picture is damaged: it has no header or no pixels.")
    head = dict(reversed(chunks))[b"IHDR"]
    if len(head) != _HEADER.size:
        raise MediaError("The picture is damaged: its header has a wrong size.")
    width, height, bits, colour, _, _, interlaced = _HEADER.unpack(head)
    lost = 0.0
    if not ended and not interlaced and width * height <= limits.max_pixels:
        stride = 1 + (width * bits * _CHANNELS.get(colour, 4) + 7) // 8
        chunks, lost = _filled(chunks, stride * height)
    key = None
    if colour in (_GREY, _COLOUR):
        # Pillow compares the key with values of another scale at some depths.
        key = _key(dict(chunks).get(b"tRNS", b""), bits, colour)
        chunks = [(name, body) for name, body in chunks if name != b"tRNS"]
    parts = b"".join(_packed(name, body) for name, body in [*chunks, (b"IEND", b"")])
    return PngParts(_SIGNATURE + parts, key, lost, ended)


def _chunks(data: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Chunks that are kept, and whether the last one is there."""
    at = len(_SIGNATURE)
    found: list[tuple[bytes, bytes]] = []
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body, end = data[at + 8 : at + 8 + size], at + 12 + size
        whole = end <= len(data)
        if name == b"IEND":
            return found, whole
        if _is_kept(name, body) and (whole or name == b"IDAT"):
            sound = not whole or zlib.crc32(data[at + 4 : end - 4]) == _number(data[end - 4 : end])
            if sound:
                found.append((name, body))
            elif name in _NEEDED:
                raise MediaError(
                    f"The picture is damaged: the checksum of its {name.decode()} is wrong; "
                    "get another copy of the file."
                )
        at = end
    return found, False


def _is_kept(name: bytes, body: bytes) -> bool:
    if name in _NEEDED or name == b"eXIf":
        return True
    keyword, _, rest = body.partition(b"\0")
    if keyword not in _ORIENTED:
        return False
    if name == b"iTXt" and rest[:1] == b"\1":
        return _is_short(rest[2:].split(b"\0", 2)[-1])
    return name in {b"iTXt", b"tEXt"} or (name == b"zTXt" and _is_short(rest[1:]))


def _is_short(packed: bytes) -> bool:
    """Whether a text unpacks to what Pillow takes; a longer one would cost the whole picture."""
    try:
        text = zlib.decompressobj().decompress(packed, _LONGEST_TEXT)
    except zlib.error:
        return False
    return len(text) < _LONGEST_TEXT


def _filled(
    chunks: list[tuple[bytes, bytes]], expected: int
) -> tuple[list[tuple[bytes, bytes]], float]:
    """The chunks with `expected` bytes of rows: black where the file lacks them."""
    inflate, rows = zlib.decompressobj(), bytearray()
    packed = b"".join(body for name, body in chunks if name == b"IDAT")
    try:
        rows += inflate.decompress(packed, expected)
    except zlib.error as error:
        raise MediaError(f"The picture is damaged ({error}).") from error
    if len(rows) >= expected:
        return chunks, 0.0
    lost = 1 - len(rows) / expected
    rows.extend(bytes(expected - len(rows)))
    others = [(name, body) for name, body in chunks if name != b"IDAT"]
    return [*others, (b"IDAT", zlib.compress(rows, 1))], lost


def _key(body: bytes, bits: int, colour: int) -> tuple[int, ...] | None:
    channels = _CHANNELS[colour]
    if len(body) < 2 * channels:
        return None
    values = struct.unpack(f">{channels}H", body[: 2 * channels])
    if bits == 16:
        # Grey keeps its sixteen bits, colours only the higher eight.
        return values if colour == _GREY else tuple(value >> 8 for value in values)
    largest = (1 << bits) - 1
    return tuple((value & largest) * 255 // largest for value in values)


def _packed(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
