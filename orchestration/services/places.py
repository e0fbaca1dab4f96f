"""What `crossmodal up` leaves in the home, so that a later `up` or `down` finds what runs."""

import hashlib
import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from crossmodal.atomic import atomic_write_bytes
from crossmodal.paths import StatePaths

_LONGEST_SOCKET = 90
"""In bytes. Systems allow 104, and supervisord first appends its process number to the name."""


class ServicesError(RuntimeError):
    """The web UI and the service cannot be started or ended; the message says the way out."""


@dataclass(frozen=True)
class Started:
    """What was started, and where people and programs find it.

    Attributes:
        socket: by which the supervisor is asked.
        ui: address of the web UI.
        service: address of the online service.
    """

    socket: str
    ui: str
    service: str


def noted(paths: StatePaths) -> Started | None:
    """What the last `up` in this home has noted; None where none did, or `down` has ended it.

    A home that was copied while it was up has the note of the other one, whose supervisor is not
    its own to ask, let alone to end.
    """
    try:
        started = Started(**json.loads(paths.up_note.read_bytes()))
        own = Path(started.socket).parent
    except (OSError, ValueError, TypeError):
        return None
    # The folder of temporary files may be another one now, so that its name alone is looked at.
    inside = own.resolve() == paths.services.resolve()
    return started if inside or own.name == _short_name(paths) else None


def note(paths: StatePaths, started: Started) -> None:
    """Keeps it for a later `up`, `down` or `status`."""
    atomic_write_bytes(paths.up_note, json.dumps(asdict(started)).encode())


def configuration_file(paths: StatePaths) -> Path:
    """What supervisord reads."""
    return paths.services / "supervisord.conf"


def log_of(paths: StatePaths, name: str) -> Path:
    """Where the output of a program goes."""
    return paths.logs / f"{name}.log"


def made_folders(paths: StatePaths) -> None:
    """Makes the folders; only the user who works in the home may look into them."""
    for folder in (paths.services, paths.logs):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)


def socket_of(paths: StatePaths) -> Path:
    """Where the supervisor's socket lies: in the home if the name is short enough for a system."""
    inside = paths.services / "control.sock"
    return inside if len(os.fsencode(inside)) <= _LONGEST_SOCKET else _short(paths) / "control.sock"


def _short(paths: StatePaths) -> Path:
    """A folder of this user in the folder of temporary files, named by a hash of the home."""
    folder = Path(tempfile.gettempdir()) / _short_name(paths)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid != os.getuid():
        raise ServicesError(
            f"{folder} is not a folder that only this user may use; delete it, or set "
            "CROSSMODAL_HOME to a folder with a shorter name."
        )
    return folder


def _short_name(paths: StatePaths) -> str:
    return f"crossmodal-{hashlib.sha256(os.fsencode(paths.home.resolve())).hexdigest()[:12]}"
