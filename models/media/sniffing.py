"""The type of a file from its first bytes; its name says nothing."""

from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 4096
"""How many bytes `sniff` wants to see."""

_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_STILL_BRANDS = {b"avif", b"avis", b"mif1", b"heic", b"heix", b"msf1"}
_SOUND_BRANDS = {b"M4A ", b"M4B ", b"M4P "}


@dataclass(frozen=True)
class MediaType:
    """A file type that can be decoded.

    Attributes:
        mime: its MIME type.
        kind: picture, sound or video.
        decoder: Pillow's format name, or the name of FFmpeg's demuxer. Only this decoder is given
            the file: FFmpeg's own probing would accept play lists, which open other files.
    """

    mime: str
    kind: Literal["picture", "sound", "video"]
    decoder: str


_PREFIXES = (
    (b"\xff\xd8\xff", MediaType("image/jpeg", "picture", "JPEG")),
    (b"\x89PNG\r\n\x1a\n", MediaType("image/png", "picture", "PNG")),
    (b"GIF87a", MediaType("image/gif", "picture", "GIF")),
    (b"GIF89a", MediaType("image/gif", "picture", "GIF")),
    (b"II*\x00", MediaType("image/tiff", "picture", "TIFF")),
    (b"MM\x00*", MediaType("image/tiff", "picture", "TIFF")),
    (b"fLaC", MediaType("audio/flac", "sound", "flac")),
    (b"OggS", MediaType("audio/ogg", "sound", "ogg")),
    (b"ID3", MediaType("audio/mpeg", "sound", "mp3")),
)
_CONTAINERS = {
    (b"RIFF", b"WEBP"): MediaType("image/webp", "picture", "WEBP"),
    (b"RIFF", b"WAVE"): MediaType("audio/wav", "sound", "wav"),
    (b"RF64", b"WAVE"): MediaType("audio/wav", "sound", "wav"),
    (b"RIFF", b"AVI "): MediaType("video/x-msvideo", "video", "avi"),
}
_BMP = MediaType("image/bmp", "picture", "BMP")
_MP3 = MediaType("audio/mpeg", "sound", "mp3")
_AAC = MediaType("audio/aac", "sound", "aac")
_M4A = MediaType("audio/mp4", "sound", "mov")
_MP4 = MediaType("video/mp4", "video", "mov")
_WEBM = MediaType("video/webm", "video", "matroska")
_MATROSKA = MediaType("video/x-matroska", "video", "matroska")


def sniff(head: bytes) -> MediaType | None:
    """The type of a file that begins with `head` (up to `HEAD_BYTES`), None if unknown."""
    for prefix, found in _PREFIXES:
        if head.startswith(prefix):
            return found
    contained = _CONTAINERS.get((head[:4], head[8:12]))
    if contained is not None:
        return contained
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return _BMP
    if head[4:8] == b"ftyp":
        return _iso_media(head[8:12])
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _WEBM if b"webm" in head[:64] else _MATROSKA
    return _raw_frames(head)


def _iso_media(brand: bytes) -> MediaType | None:
    if brand in _STILL_BRANDS:
        return None
    return _M4A if brand in _SOUND_BRANDS else _MP4


def _raw_frames(head: bytes) -> MediaType | None:
    """MPEG sound without a header: 11 or 12 bits of sync, then the layer."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = (head[1] >> 1) & 0b11
    if layer == 0:
        return _AAC if head[1] & 0xF0 == 0xF0 else None
    valid_rate = head[2] >> 4 != 0b1111 and (head[2] >> 2) & 0b11 != 0b11
    return _MP3 if layer in (0b01, 0b10) and valid_rate else None
