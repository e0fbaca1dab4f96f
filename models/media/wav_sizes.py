"""How many bytes of samples a WAV file claims and holds: recorders often leave no true size."""

from dataclasses import dataclass

_PLACEHOLDER = 0x7FFF0000
_UNSET = 0xFFFFFFFF


@dataclass(frozen=True)
class WavSizes:
    """Bytes of samples.

    Attributes:
        claimed: by the header, None where it says nothing true: zero, about two or four gigabytes,
            or the size of the whole file, which recorders write and don't come back to.
        present: in the file, at most the claimed ones.
    """

    claimed: int | None
    present: int


def wav_sizes(data: bytes) -> WavSizes | None:
    """The sizes of a WAV file (RIFF, RF64 or BW64), None where it has no samples at all."""
    at, wide = 12, None
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = at + 8
        if name == b"data":
            return _judged(size if wide is None or size != _UNSET else wide, len(data), body)
        if name == b"ds64":
            wide = int.from_bytes(data[body + 8 : body + 16], "little")
        at = body + size + size % 2
    return None


def _judged(size: int, length: int, body: int) -> WavSizes:
    there = length - body
    untrue = size == 0 or size >= _PLACEHOLDER or size in (length, length - 8)
    return WavSizes(None, there) if untrue else WavSizes(size, min(size, there))
