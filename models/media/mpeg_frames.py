"""Frames of MPEG sound (MP3, MP2, ADTS): distinguished from chance by several in a row."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

_CHAIN = 4
_SEARCHED = 1 << 20
_KILOBITS = {
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
# fmt: off
_ADTS_RATES = (
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000,
    7350,
)
# fmt: on
_SLOWER = {3: 1, 2: 2, 0: 4}
_XING_FRAMES = 1
_VBRI_AT = 36


@dataclass(frozen=True)
class Frame:
    """One frame's header.

    Attributes:
        kind: mp3 (layer II or III of MPEG-1, 2 or 2.5) or aac (ADTS).
        length: in bytes with the header, 0 where the header does not say.
        rate: samples a second.
        samples: a channel.
    """

    kind: Literal["mp3", "aac"]
    length: int
    rate: int
    samples: int


def frame_at(data: bytes, at: int) -> Frame | None:
    """The frame whose header stands at an offset, None where there is none."""
    head = data[at : at + 7]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    return _adts(head) if head[1] & 0xF6 == 0xF0 else _mpeg(head)


def find_frames(data: bytes, start: int = 0, end: int | None = None) -> int | None:
    """Offset of the first frame that several others of its kind follow at once, None without.

    Args:
        data: a file's bytes.
        start: where the search begins.
        end: before which the frame begins; a mebibyte is searched at most.
    """
    last = start + _SEARCHED if end is None else min(end, start + _SEARCHED)
    at = data.find(b"\xff", start, last)
    while at >= 0:
        if len(list(islice(_follow(data, at), _CHAIN))) == _CHAIN:
            return at
        at = data.find(b"\xff", at + 1, last)
    return None


def find_frames_across(data: bytes, end: int) -> int | None:
    """Offset of the first frame before `end` from which frames follow each other past `end`.

    Where a tag says that it ends there, such frames prove that it is shorter: no frame of the sound
    lies within a tag, and what a tag holds of other sounds does not go on after it.
    """
    at = find_frames(data, 0, end)
    while at is not None:
        last = at
        for last in _follow(data, at):
            if last >= end:
                return at
        at = find_frames(data, last + 1, end)
    return None


def counted_seconds(data: bytes) -> float | None:
    """The length that an MP3's Xing, Info or VBRI header gives, None without one.

    Args:
        data: begins with the first frame.
    """
    first = frame_at(data, 0)
    if first is None or first.kind != "mp3":
        return None
    # Searched in the first frame alone: an artist may be called Info.
    frame = data[: first.length]
    for name in (b"Xing", b"Info"):
        at = frame.find(name)
        if at > 0 and len(frame) > at + 7 and frame[at + 7] & _XING_FRAMES:
            return _seconds(first, frame[at + 8 : at + 12])
    if frame[_VBRI_AT : _VBRI_AT + 4] == b"VBRI":
        return _seconds(first, frame[_VBRI_AT + 14 : _VBRI_AT + 18])
    return None


def _seconds(frame: Frame, count: bytes) -> float | None:
    frames = int.from_bytes(count, "big")
    return frames * frame.samples / frame.rate if frames else None


def _follow(data: bytes, at: int) -> Iterator[int]:
    """Offsets of frames of one kind and rate, each right after the one before it."""
    first = frame = frame_at(data, at)
    while first is not None and frame is not None:
        if (frame.kind, frame.rate) != (first.kind, first.rate):
            return
        yield at
        if not frame.length:
            return
        at += frame.length
        frame = frame_at(data, at)


def _adts(head: bytes) -> Frame | None:
    index = head[2] >> 2 & 0b1111
    if len(head) < 7 or index >= len(_ADTS_RATES):
        return None
    length = (head[3] & 0b11) << 11 | head[4] << 3 | head[5] >> 5
    return Frame("aac", length, _ADTS_RATES[index], 1024) if length > 7 else None


def _mpeg(head: bytes) -> Frame | None:
    version, layer = head[1] >> 3 & 0b11, 4 - (head[1] >> 1 & 0b11)
    bits, rate = head[2] >> 4, head[2] >> 2 & 0b11
    # The first layer is extinct, and UTF-16 text begins like it.
    if version not in _SLOWER or layer not in (2, 3) or bits == 0b1111 or rate == 0b11:
        return None
    generation = 1 if version == 3 else 2
    hertz = _RATES[rate] // _SLOWER[version]
    samples = 576 if layer == 3 and generation == 2 else 1152
    kilobits = _KILOBITS[generation, layer][bits]
    padding = head[2] >> 1 & 1
    length = samples // 8 * kilobits * 1000 // hertz + padding if kilobits else 0
    return Frame("mp3", length, hertz, samples)
