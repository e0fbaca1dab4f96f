"""Where a JPEG ends, and endings for one that was cut: a copy often lacks its last bytes."""

import re

_SCAN, _END = 0xDA, 0xD9
_END_MARKER = b"\xff\xd9"
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Entropy-coded data that no encoder would write; it holds no marker.
_FILLER = bytes(byte * 167 % 255 for byte in range(1, 4096)) * 16


def picture_end(data: bytes) -> int | None:
    """Offset of the marker that ends the (first) picture, None where it is not there."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xFF or kind in _STANDALONE:
            at += 1 if kind == 0xFF else 2
            continue
        if kind == _END:
            return at
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _SCAN:
            found = _MARKER.search(data, at)
            if found is None:
                return None
            at = found.start()
    return at if data[at : at + 2] == _END_MARKER else None


def ended(data: bytes) -> bytes:
    """The JPEG with an end; what is missing before it decodes to plain blocks."""
    return _without_half_marker(data) + _END_MARKER


def ended_otherwise(data: bytes) -> bytes:
    """Like `ended`, but what is missing decodes to other pixels, and what is there to the same."""
    filler = _FILLER * (1 + len(data) // len(_FILLER))
    return _without_half_marker(data) + filler + _END_MARKER


def _without_half_marker(data: bytes) -> bytes:
    return data.rstrip(b"\xff")
