"""What a file is that cannot be read, and what its owner can do about it."""

import re

_HEAD_BYTES = 1024
_SAVE_PICTURE = "save the picture as JPEG or PNG."
_SAVE_SOUND = "save the sound as WAV, FLAC or MP3."
_PREFIXES = (
    (b"%PDF", f"The file is a PDF document, which is not read: {_SAVE_PICTURE}"),
    (b"PK\x03\x04", "The file is a ZIP archive: unpack it."),
    (b"\x1f\x8b", "The file is compressed with gzip: unpack it."),
    (b"Rar!", "The file is a RAR archive: unpack it."),
    (b"7z\xbc\xaf\x27\x1c", "The file is a 7-Zip archive: unpack it."),
    (b"version https://git-lfs", "The file is a Git LFS pointer: fetch its content, git lfs pull."),
    (b"#EXTM3U", "The file is a play list: name the sound that it leads to."),
    (b"ffconcat", "The file is a play list: name the sound that it leads to."),
    (b"8BPS", f"The file is a Photoshop document, which is not read: {_SAVE_PICTURE}"),
    (b"\xff\x0a", f"The file is a JPEG XL picture, which is not read: {_SAVE_PICTURE}"),
    (b"\0\0\0\x0cJXL ", f"The file is a JPEG XL picture, which is not read: {_SAVE_PICTURE}"),
    (b"RIFX", f"The file is a big-endian WAV, which is not read: {_SAVE_SOUND}"),
    (b"MThd", f"The file is MIDI notes, which are no sound: {_SAVE_SOUND}"),
    (b"DSD ", f"The file is DSD sound, which is not read: {_SAVE_SOUND}"),
)
_MARKUP = (
    (re.compile(rb"<svg[\s>]", re.I), f"The file is an SVG drawing, not read: {_SAVE_PICTURE}"),
    (
        re.compile(rb"<(!doctype )?html", re.I),
        "The file is a web page, as servers send where a file is missing: fetch it again.",
    ),
)
_UNKNOWN = (
    "The file is no known picture, sound or video; save it as JPEG, PNG, WebP, WAV, MP3, FLAC, "
    "Ogg or MP4."
)
_TEXT = "The file is text, no picture, sound or video: look inside, it may be an error message."


def known_refusal(data: bytes) -> str | None:
    """Why a file of a known kind is not read and what to do, one sentence; None if unknown."""
    for prefix, said in _PREFIXES:
        if data.startswith(prefix):
            return said
    head = data[:_HEAD_BYTES]
    for pattern, said in _MARKUP:
        if pattern.search(head):
            return said
    if not data.strip(b"\0"):
        return "The file holds nothing but zeros: its download did not finish, fetch it again."
    return None


def refusal(data: bytes) -> str:
    """Why a file is not read and what to do, one sentence."""
    return known_refusal(data) or (_TEXT if _is_text(data[:_HEAD_BYTES]) else _UNKNOWN)


def _is_text(head: bytes) -> bool:
    return all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in head)
