"""What the header of a WAV file says, and whether it is true: recorders often leave no sizes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from models.media.limits import MediaError

_PLACEHOLDER = 0x7FFF0000
_UNSET = 0xFFFFFFFF
_FORMAT = struct.Struct("<HHIIHH")
_EXTENSIBLE, _SUBFORMAT_AT = 0xFFFE, 24
_PCM, _FLOAT, _A_LAW, _MU_LAW = 1, 3, 6, 7
_BITS = {_PCM: range(1, 65), _FLOAT: (32, 64), _A_LAW: (8,), _MU_LAW: (8,)}


@dataclass(frozen=True)
class WavSizes:
    """Bytes of samples.

    Attributes:
        claimed: by the header, None where it says nothing true: zero, about two or four gigabytes,
            or the size of the whole file, which recorders write and don't come back to.
        present: in the file, at most the claimed ones.
        uncounted: bytes after them that are neither padding nor a chunk of a WAV file.
    """

    claimed: int | None
    present: int
    uncounted: int = 0

    @property
    def whole_of_present(self) -> float:
        """How many times what is present the whole is; 1 where nothing is known to be missing."""
        return (self.claimed or self.present) / max(1, self.present)


def wav_sizes(data: bytes) -> WavSizes | None:
    """The sizes of a WAV file (RIFF, RF64 or BW64), None where it has no samples at all."""
    wide = None
    for name, size, body in _chunks(data):
        if name == b"data":
            return _judged(size if wide is None or size != _UNSET else wide, data, body)
        if name == b"ds64":
            wide = int.from_bytes(data[body + 8 : body + 16], "little")
    return None


def check_wav_format(data: bytes) -> None:
    """Compares what the header of a WAV file says twice, in other words: FFmpeg takes one for true.

    Raises:
        MediaError: it contradicts itself, so that every sample might be wrong.
    """
    for name, _, body in _chunks(data):
        if name == b"fmt " and len(data) >= body + _FORMAT.size:
            kind, channels, rate, byte_rate, align, bits = _FORMAT.unpack_from(data, body)
            if kind == _EXTENSIBLE:
                at = body + _SUBFORMAT_AT
                kind = int.from_bytes(data[at : at + 2], "little")
            if kind not in _BITS and _is_uncompressed(channels, rate, byte_rate, align, bits):
                raise MediaError(
                    f"The sound is damaged: its header names the codec {kind:#06x}, but all else "
                    "that it says is of samples without one; get another copy of the file."
                )
            if kind in _BITS and not _agrees(kind, channels, rate, byte_rate, align, bits):
                raise MediaError(
                    f"The sound is damaged: its header tells of {channels} channels of {bits} "
                    f"bits at {rate} Hz, but of {align} bytes for all channels and {byte_rate} a "
                    "second; get another copy of the file."
                )
            return


def _agrees(kind: int, channels: int, rate: int, byte_rate: int, align: int, bits: int) -> bool:
    whole = channels * ((bits + 7) // 8)
    # Recorders leave the bytes a second out, count one channel, or count bits.
    rates = {0, rate * whole, rate * whole * 8, rate * whole // max(1, channels)}
    return bits in _BITS[kind] and align in (0, whole) and byte_rate in rates


def _is_uncompressed(channels: int, rate: int, byte_rate: int, align: int, bits: int) -> bool:
    return bits >= 8 and align * 8 == channels * bits and byte_rate == rate * align > 0


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, size and offset of each chunk's content."""
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], size, at + 8
        at += 8 + size + size % 2


def _judged(size: int, data: bytes, body: int) -> WavSizes:
    there = len(data) - body
    if size == 0 or size >= _PLACEHOLDER or size in (len(data), len(data) - 8):
        return WavSizes(None, there)
    after = data[body + size + size % 2 :].rstrip(b"\0")
    is_chunk = after[:4].isascii() and after[:4].strip().isalnum()
    return WavSizes(size, min(size, there), 0 if is_chunk else len(after))
