"""The type of a file from its bytes; its name says nothing."""

from dataclasses import dataclass
from typing import Literal

from models.media.mpeg_frames import find_frames, find_frames_across, frame_at
from models.media.refusals import known_refusal
from models.media.tags import after_padding, after_tags, before_tags

_HEAD_BYTES = 4096
_TAGGED_AT_END = {"mp3", "aac", "flac"}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1"}
_SOUND_BRANDS = {b"M4A ", b"M4B ", b"M4P "}
_QUICKTIME_ATOMS = {b"wide", b"skip", b"free", b"mdat", b"moov", b"pnot"}
_TS_PACKET = 188


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
    (b"II+\x00", MediaType("image/tiff", "picture", "TIFF")),
    (b"MM\x00+", MediaType("image/tiff", "picture", "TIFF")),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", MediaType("image/jp2", "picture", "JPEG2000")),
    (b"\xff\x4f\xff\x51", MediaType("image/jp2", "picture", "JPEG2000")),
    (b"qoif", MediaType("image/qoi", "picture", "QOI")),
    (b"P5\n", MediaType("image/x-portable-graymap", "picture", "PPM")),
    (b"P6\n", MediaType("image/x-portable-pixmap", "picture", "PPM")),
    (b"fLaC", MediaType("audio/flac", "sound", "flac")),
    (b"OggS", MediaType("audio/ogg", "sound", "ogg")),
    (b"caff", MediaType("audio/x-caf", "sound", "caf")),
    (b".snd", MediaType("audio/basic", "sound", "au")),
    (b"wvpk", MediaType("audio/x-wavpack", "sound", "wv")),
    (b"riff\x2e\x91\xcf\x11", MediaType("audio/x-w64", "sound", "w64")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", MediaType("video/x-ms-asf", "video", "asf")),
    (b"FLV\x01", MediaType("video/x-flv", "video", "flv")),
    (b"\x00\x00\x01\xba", MediaType("video/mpeg", "video", "mpeg")),
)
_CONTAINERS = {
    (b"RIFF", b"WEBP"): MediaType("image/webp", "picture", "WEBP"),
    (b"RIFF", b"WAVE"): MediaType("audio/wav", "sound", "wav"),
    (b"RF64", b"WAVE"): MediaType("audio/wav", "sound", "wav"),
    (b"BW64", b"WAVE"): MediaType("audio/wav", "sound", "wav"),
    (b"FORM", b"AIFF"): MediaType("audio/aiff", "sound", "aiff"),
    (b"FORM", b"AIFC"): MediaType("audio/aiff", "sound", "aiff"),
    (b"RIFF", b"AVI "): MediaType("video/x-msvideo", "video", "avi"),
}
_BMP = MediaType("image/bmp", "picture", "BMP")
_MP3 = MediaType("audio/mpeg", "sound", "mp3")
_AAC = MediaType("audio/aac", "sound", "aac")
_AVIF = MediaType("image/avif", "picture", "AVIF")
_HEIF = MediaType("image/heic", "picture", "HEIF")
_QUICKTIME = MediaType("video/quicktime", "video", "mov")
_TS = MediaType("video/mp2t", "video", "mpegts")
_M4A = MediaType("audio/mp4", "sound", "mov")
_MP4 = MediaType("video/mp4", "video", "mov")
_WEBM = MediaType("video/webm", "video", "matroska")
_MATROSKA = MediaType("video/x-matroska", "video", "matroska")


@dataclass(frozen=True)
class Located:
    """Where the media of a file lie: data[start:end], without the tags around them."""

    type: MediaType
    start: int
    end: int


def sniff(data: bytes) -> MediaType | None:
    """The type of a file's bytes, whatever tags or padding stand before it; None if unknown."""
    found = locate(data)
    return None if found is None else found.type


def locate(data: bytes) -> Located | None:
    """The media in a file's bytes, None where they are of no known type."""
    tagged = after_tags(data)
    # A tag whose size is too large would hide the first frames.
    hidden = find_frames_across(data, tagged)
    if hidden is not None:
        return _of_frames(data, hidden)
    padded = after_padding(data, tagged)
    for start in dict.fromkeys((tagged, padded, after_tags(data, padded))):
        found = _beginning(data, start)
        if found is not None:
            return _ended(data, start, found)
    if known_refusal(data) is not None:
        return None
    # A tag whose size is wrong, or what a server or ripper wrote before the first frame.
    frames = find_frames(data, 0 if tagged == len(data) else tagged)
    return None if frames is None else _of_frames(data, frames)


def _of_frames(data: bytes, start: int) -> Located | None:
    found = _frame_type(data, start)
    return None if found is None else _ended(data, start, found)


def _frame_type(data: bytes, start: int) -> MediaType | None:
    frame = frame_at(data, start)
    return None if frame is None else _MP3 if frame.kind == "mp3" else _AAC


def _ended(data: bytes, start: int, found: MediaType) -> Located:
    end = before_tags(data) if found.decoder in _TAGGED_AT_END else len(data)
    return Located(found, start, max(start, end))


def _beginning(data: bytes, start: int) -> MediaType | None:
    head = data[start : start + _HEAD_BYTES]
    for prefix, found in _PREFIXES:
        if head.startswith(prefix):
            return found
    contained = _CONTAINERS.get((head[:4], head[8:12]))
    if contained is not None:
        return contained
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return _BMP
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[4:8] in _QUICKTIME_ATOMS and _is_box_size(int.from_bytes(head[:4], "big")):
        return _QUICKTIME
    if head[:1] == head[_TS_PACKET : _TS_PACKET + 1] == head[2 * _TS_PACKET :][:1] == b"G":
        return _TS
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _WEBM if b"webm" in head[:64] else _MATROSKA
    return _frame_type(data, start)


def _iso_media(head: bytes) -> MediaType:
    """By the brand that a file is written for, and those it is compatible with."""
    size = int.from_bytes(head[:4], "big")
    brand = head[8:12]
    brands = {brand, *(head[at : at + 4] for at in range(16, min(size, len(head)), 4))}
    if brands & _AVIF_BRANDS:
        return _AVIF
    if brands & _HEIF_BRANDS:
        return _HEIF
    return _M4A if brand in _SOUND_BRANDS else _MP4


def _is_box_size(size: int) -> bool:
    """Zero is up to the end of the file, and one a size in eight bytes that follow."""
    return size in (0, 1) or size >= 8
