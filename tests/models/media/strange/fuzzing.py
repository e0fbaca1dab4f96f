"""Random changes of good media files: what a file that still counts as good may decode to.

From the command line: `python -m fuzzing 2000` changes each kind so many times and prints what it
found; `make fuzz-media` does.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import strange_pictures
import strange_sounds
import strange_videos
from media_files import encoded, sound, tone, wav
from numpy.typing import NDArray
from PIL import Image

from models.media import DecodePool, MediaError, MediaLimits
from models.media.wire import Payload

SECONDS = 5.0
"""Longest time that one file may take."""

_AMPLITUDE, _LEVELS = 0.1, 40
_HEAD = 256


@dataclass(frozen=True)
class Good:
    """A good file.

    Attributes:
        modality: as what it is decoded.
        content: its bytes.
        reach: share of the samples or pixels that one changed byte may alter: a packet or a row
            where a format has checksums or codes its parts apart, all that is coded after it where
            it has neither.
    """

    modality: Literal["image", "audio"]
    content: bytes
    reach: float


def good_files() -> dict[str, Good]:
    smooth = Image.fromarray(np.repeat(np.repeat(strange_pictures.smooth(), 3, 0), 3, 1))
    pcm = strange_sounds.pcm()
    pictures = {
        "jpeg": (encoded(smooth, "JPEG", quality=90), 1.0),
        "progressive jpeg": (encoded(smooth, "JPEG", quality=90, progressive=True), 1.0),
        "png": (encoded(smooth, "PNG"), 0.0),
        "webp": (encoded(smooth, "WEBP"), 1.0),
        "lossless webp": (encoded(smooth, "WEBP", lossless=True), 1.0),
        "gif": (encoded(smooth, "GIF"), 1.0),
        "bmp": (encoded(smooth, "BMP"), 0.1),
        "tiff": (encoded(smooth, "TIFF"), 0.1),
        "avif": (encoded(smooth, "AVIF"), 1.0),
        "jpeg 2000": (encoded(smooth, "JPEG2000"), 1.0),
        "qoi": (encoded(smooth, "QOI"), 1.0),
        "ppm": (encoded(smooth, "PPM"), 0.1),
        "mp4": (strange_videos.video("mp4", "mpeg4"), 1.0),
        "matroska": (strange_videos.video("matroska", "mpeg4"), 1.0),
    }
    sounds = {
        "wav": (pcm, 0.1),
        "float wav": (wav(tone(2.0)[0]), 0.1),
        "mp3": (strange_sounds.mp3(), 0.2),
        "bare mp3": (strange_sounds.bare(strange_sounds.mp3()), 0.2),
        "flac": (sound("flac", "flac", 44_100, 1, 4.0), 0.2),
        "opus": (sound("ogg", "libopus", 48_000, 1, 4.0), 0.3),
        "m4a": (sound("ipod", "aac", 44_100, 1, 4.0), 0.2),
        "adts": (sound("adts", "aac", 44_100, 1, 4.0), 0.2),
        # It says its rate once.
        "aiff": (sound("aiff", "pcm_s16be", 16_000, 1, 2.0), 1.0),
        "webm": (sound("webm", "libopus", 48_000, 1, 4.0), 0.2),
    }
    return {
        **{name: Good("image", content, reach) for name, (content, reach) in pictures.items()},
        **{name: Good("audio", content, reach) for name, (content, reach) in sounds.items()},
    }


def complaints(
    name: str, good: Good, changes: int, folder: Path, *, seed: int = 0, seconds: float = SECONDS
) -> Iterator[str]:
    """Changes a file so many times, a byte each; yields what is wrong with what came out.

    Args:
        name: of the file, for what is said.
        good: the file.
        changes: how many.
        folder: an empty one.
        seed: of the changes.
        seconds: that one file may take.
    """
    rng = np.random.default_rng(seed)
    length = len(good.content)
    # Half of them where a format says what it holds, which would else be met too seldom.
    head = rng.integers(min(_HEAD, length), size=changes)
    places = np.where(np.arange(changes) % 2, head, rng.integers(length, size=changes))
    flips = rng.integers(1, 256, size=changes)
    (folder / "good").write_bytes(good.content)
    for number, (place, flip) in enumerate(zip(places, flips, strict=True)):
        changed = bytearray(good.content)
        changed[place] ^= int(flip)
        (folder / str(number)).write_bytes(changed)
    names = ["good", *map(str, range(changes))]
    task = "plain_pixels" if good.modality == "image" else "samples"
    limits = MediaLimits(timeout_seconds=seconds)
    with DecodePool(folder, limits, workers=2) as pool:
        options = {"modality": good.modality}
        first = dict(pool.map("inspect", _keyed(names), options))
        # What was slow on a busy machine is not slow again.
        late = [key for key, found in first.items() if "took more" in str(found)]
        judged = [*(first | dict(pool.map("inspect", _keyed(late), options))).items()]
        fine = [key for key, found in judged if _is_fine(found)]
        decoded = dict(pool.map(task, _keyed(fine), {"longest": 1000}))
    whole = _array(decoded["good"])
    noted = {key for key, found in judged if _is_fine(found) and _has_note(found)}
    for key, found in judged:
        where = f"{name}, byte {places[int(key)]} ^ {flips[int(key)]}" if key != "good" else name
        if isinstance(found, MediaError) and ("crashed" in str(found) or "took more" in str(found)):
            yield f"{where}: {found}"
        elif key in decoded:
            share = altered(whole, decoded[key], said_missing=key in noted)
            if share > good.reach:
                yield f"{where}: ok, but {share:.0%} of it is altered"


def altered(
    whole: NDArray[np.generic], found: Payload | MediaError, *, said_missing: bool
) -> float:
    """Share of what was decoded that is far from the original, 1 where it has another shape.

    Args:
        whole: the original.
        found: what was decoded.
        said_missing: whether a note says that something is missing, which then is no alteration.
    """
    if isinstance(found, MediaError):
        return 1.0
    other = found.arrays[0]
    if other.dtype == np.uint8:
        if other.shape[1:] != whole.shape[1:]:
            return 1.0
        frames = min(len(other), len(whole))
        off = np.abs(other[:frames].astype(int) - whole[:frames].astype(int)).max(axis=-1)
        return float((off > _LEVELS).mean())
    # A packet that was left out shifts what follows it: levels and pitch stay.
    return min(1.0, _other_sound(whole, other, said_missing))


def _other_sound(
    whole: NDArray[np.generic], other: NDArray[np.generic], said_missing: bool
) -> float:
    """Share of the tenths of a second whose loudest frequency or level is not the tone's."""
    length = 1600
    count = len(other) // length
    pieces = other[: count * length].reshape(count, length)
    spectrum = np.abs(np.fft.rfft(pieces))
    off_pitch = np.abs(spectrum.argmax(axis=1) - 44) > 1
    off_level = np.abs(np.abs(pieces).max(axis=1) - 0.33) > _AMPLITUDE
    bad = int((off_pitch | off_level).sum())
    missing = 0 if said_missing else max(0, len(whole) // length - count)
    longer = max(0, count - len(whole) // length - 1)
    return (bad + missing + longer) / max(1, len(whole) // length)


def _array(found: Payload | MediaError) -> NDArray[np.generic]:
    assert isinstance(found, Payload)
    return found.arrays[0]


def _has_note(found: Payload | MediaError) -> bool:
    return isinstance(found, Payload) and found.facts["note"] is not None


def _is_fine(found: Payload | MediaError) -> bool:
    return isinstance(found, Payload) and found.facts["status"] == "ok"


def _keyed(names: list[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def main(changes: int) -> int:
    """Prints every complaint; returns how many there were."""
    total = 0
    for name, good in good_files().items():
        with tempfile.TemporaryDirectory() as folder:
            found = list(complaints(name, good, changes, Path(folder)))
        print(f"{name}: {changes:,} changes, {len(found)} wrong", flush=True)
        for complaint in found:
            print(f"  {complaint}")
        total += len(found)
    return total


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]))))
