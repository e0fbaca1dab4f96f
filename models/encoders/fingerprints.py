"""What an encoder would be, without loading it: an unchanged run then loads none.

A fingerprint covers the weights, the preprocessing and the limits that shape the input. It leaves
out the device: a home that moves to another machine is not encoded again for the last bits.
"""

import hashlib
from pathlib import Path

from models.encoders.catalogue import Kind, entry_of
from models.media.limits import MediaLimits

# Raise one when the same content would get another vector from that kind of encoder.
_VERSIONS: dict[Kind, int] = {"text": 1, "image": 2, "audio": 1}


def fingerprint_of(kind: Kind, name: str, limits: MediaLimits | None = None) -> str:
    """Sixteen hexadecimal digits that change when an encoder's vectors would.

    A folder counts by the names, sizes and modification times of its files; a model of a hub by
    its name, as its weights are fetched once and kept.

    Args:
        kind: text, image or audio.
        name: as in the setting.
        limits: bounds of the decoded media; the defaults if None.
    """
    bounds = limits or MediaLimits()
    shaped = {
        "text": "",
        "image": f"{bounds.max_frames} frames",
        "audio": f"{bounds.max_seconds} s",
    }
    entry = entry_of(kind, name)
    folder = Path(name).expanduser()
    identity = f"{name} {_folder_state(folder)}" if entry is None else entry.identity
    content = f"{kind} {_VERSIONS[kind]} {identity} {shaped[kind]}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _folder_state(path: Path) -> str:
    if not path.is_dir():
        return "by name"
    files = sorted(file for file in path.rglob("*") if file.is_file())
    stats = [(file.relative_to(path).as_posix(), file.stat()) for file in files]
    return " ".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)
