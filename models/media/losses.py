"""How much of a sound could not be decoded: counted packet by packet, judged at the end."""

from dataclasses import dataclass

from models.media.limits import MediaError, MediaLimits

_APPENDED = 1 << 16
_SAID = 0.1


@dataclass
class Losses:
    """Packets and bytes that a decoder took and refused so far.

    Refused packets are a tail until a good one follows: then they are lost sound. What is a tail
    still at the end is lost sound if it is long and sound is missing; else it is appended bytes.

    Attributes:
        uncounted: bytes after those that the file's header counts as sound.
        packets: that the container gave.
        refused: of them, those that can't be decoded and lie between or before good ones.
        reason: of the last refusal, as the decoder says it.
        seconds: that the decoded packets last, as the container says it.
        unended: whether the container's own mark of its end is missing.
    """

    uncounted: int = 0
    packets: int = 0
    refused: int = 0
    reason: str = ""
    seconds: float = 0.0
    unended: bool = False
    _good_bytes: int = 0
    _lost_bytes: int = 0
    _tail_packets: int = 0
    _tail_bytes: int = 0

    def take(self, size: int, seconds: float) -> None:
        """Counts a packet of `size` bytes that was decoded."""
        self.packets += 1
        self.seconds += seconds
        self._good_bytes += size
        self._count_tail_as_lost()

    def refuse(self, size: int, reason: str) -> None:
        """Counts a packet of `size` bytes that was not."""
        self.packets += 1
        self.reason = reason
        self._tail_packets += 1
        self._tail_bytes += size

    def close(self, all_sound_is_there: bool) -> None:
        """Ends the count: many bytes after the last good packet are lost sound.

        Args:
            all_sound_is_there: whether all that the file tells of is, so that they are not.
        """
        if self._tail_bytes > _APPENDED and not all_sound_is_there:
            self._count_tail_as_lost()

    @property
    def appended(self) -> int:
        """Bytes after the last good packet that are no sound."""
        return self._tail_bytes

    @property
    def share(self) -> float:
        """Lost bytes as a share of all, without those appended."""
        return self._lost_bytes / max(1, self._lost_bytes + self._good_bytes)

    def _count_tail_as_lost(self) -> None:
        self.refused += self._tail_packets
        self._lost_bytes += self._tail_bytes
        self._tail_packets = self._tail_bytes = 0


def judge_losses(
    losses: Losses, decoded: float, expected: float | None, slack: float, limits: MediaLimits
) -> str | None:
    """What is missing of a sound, in one sentence; None where nothing is.

    Args:
        losses: of its decoding.
        decoded: seconds that are there.
        expected: seconds that there should be, None where the file does not say.
        slack: seconds that a codec may add or take at either end.
        limits: how much may be lost.

    Raises:
        MediaError: more is.
    """
    missing = 0.0 if expected is None else max(0.0, expected - decoded)
    if expected is not None and missing > slack + limits.max_lost_share * expected:
        raise MediaError(
            f"The sound is cut short: {decoded:.1f} of its {expected:.1f} seconds are there; "
            "get the whole file."
        )
    losses.close(all_sound_is_there=expected is not None and missing <= _SAID)
    if losses.share > limits.max_lost_share:
        raise MediaError(
            f"The sound is damaged: {losses.share:.0%} of it can't be decoded "
            f"({losses.reason}); get a whole copy of the file."
        )
    said = []
    if losses.refused:
        said.append(f"{losses.refused} of its {losses.packets} packets can't be decoded")
    if missing > min(slack, _SAID):
        said.append(f"{missing:.1f} of its {expected:.1f} seconds are missing")
    if losses.appended:
        said.append(f"the last {losses.appended:,} bytes of the file are no sound")
    if losses.unended:
        said.append("the file lacks its end")
    if losses.uncounted:
        said.append(f"its header does not count the last {losses.uncounted:,} bytes of the file")
    if not said:
        return None
    sentence = f"{' and '.join(said)}; the rest is used."
    return sentence[0].upper() + sentence[1:]
