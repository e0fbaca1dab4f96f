"""Where the media in a file begin and end: what taggers, servers and rippers put around them."""

import struct

_ID3_HEAD = 10
_ID3_FOOTER_FLAG = 0x10
_PADDING = b"\0 \t\r\n\xef\xbb\xbf"
_APE_FOOTER = struct.Struct("<8sIIII8x")
_APE_HAS_HEADER = 1 << 31
_LYRICS_LONGEST = 5100
_LYRICS_BEGIN, _LYRICS_END, _LYRICS_SIZED = b"LYRICSBEGIN", b"LYRICSEND", b"LYRICS200"


def after_tags(data: bytes, start: int = 0) -> int:
    """Offset of the first byte after any ID3v2 tags that stand at `start`."""
    while data[start : start + 3] == b"ID3" and len(data) >= start + _ID3_HEAD:
        size = _ID3_HEAD + _synchsafe(data[start + 6 : start + 10])
        size += _ID3_HEAD if data[start + 5] & _ID3_FOOTER_FLAG else 0
        start += size
    return min(start, len(data))


def after_padding(data: bytes, start: int = 0) -> int:
    """Offset of the first byte at or after `start` that is no zero, white space or BOM."""
    return len(data) - len(data[start:].lstrip(_PADDING))


def before_tags(data: bytes) -> int:
    """Offset at which the tags at the end of a sound begin: ID3v1, Lyrics3, APE, ID3v2 at the end.

    They come in any order and number, as every tool appends its own.
    """
    end = len(data)
    while (before := _before_one(data, end)) < end:
        end = before
    return end


def _before_one(data: bytes, end: int) -> int:
    if data[max(0, end - 128) : end][:3] == b"TAG":
        return end - 128
    if data[max(0, end - 9) : end] == _LYRICS_SIZED:
        digits = data[end - 15 : end - 9]
        begin = end - 15 - int(digits) if digits.isdigit() else end
        if data[max(0, begin) :].startswith(_LYRICS_BEGIN):
            return begin
        # Writers miscount: the tag then begins at the nearest beginning before its end.
        return _last(data, _LYRICS_BEGIN, end)
    if data[max(0, end - 9) : end] == _LYRICS_END:
        return _last(data, _LYRICS_BEGIN, end)
    if data[max(0, end - 32) : end][:8] == b"APETAGEX":
        _, _, size, _, flags = _APE_FOOTER.unpack(data[end - 32 : end])
        begin = end - size - (32 if flags & _APE_HAS_HEADER else 0)
        return begin if 0 <= begin < end else end - 32
    if data[max(0, end - _ID3_HEAD) : end][:3] == b"3DI":
        begin = end - 2 * _ID3_HEAD - _synchsafe(data[end - 4 : end])
        return begin if data[max(0, begin) :].startswith(b"ID3") else end - _ID3_HEAD
    return end


def _last(data: bytes, beginning: bytes, end: int) -> int:
    found = data.rfind(beginning, max(0, end - _LYRICS_LONGEST), end)
    return end if found < 0 else found


def _synchsafe(size: bytes) -> int:
    """Four bytes of seven bits each."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=False))
