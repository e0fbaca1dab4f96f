"""Ends what `crossmodal up` has started."""

import shutil
import tempfile
from pathlib import Path

import psutil

from crossmodal.ending import end_all
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from orchestration.services.configuration import stop_seconds
from orchestration.services.control import Supervisor
from orchestration.services.places import ServicesError, Started, noted
from orchestration.services.up import Say, alone, clear_left_behind, running

_MARGIN_SECONDS = 15


def take_down(settings: Settings, say: Say) -> bool:
    """Ends both programs in order, then their supervisor; returns once all of them have ended.

    Args:
        settings: of the home.
        say: called with what people should know.

    Returns:
        Whether something ran.

    Raises:
        ServicesError: the supervisor did not end in time.
        OSError: it cannot be asked.
    """
    paths = StatePaths(settings.home)
    if not paths.services.is_dir():
        return False
    with alone(paths, say):
        started = running(paths)
        if started is not None:
            _end(settings, started)
        left = clear_left_behind(settings, say)
        _forget(paths)
    return started is not None or left


def _end(settings: Settings, started: Started) -> None:
    supervisor = Supervisor(started.socket)
    process = psutil.Process(supervisor.pid())
    family = [process, *process.children(recursive=True)]
    supervisor.shut_down()
    _, living = psutil.wait_procs(
        family, timeout=max(stop_seconds(settings).values()) + _MARGIN_SECONDS
    )
    if living:
        end_all(living, 0)
        raise ServicesError("Processes that did not end in time were killed.")


def _forget(paths: StatePaths) -> None:
    """Removes the note, so that nothing counts as on any more, and a socket outside the home."""
    started = noted(paths)
    paths.up_note.unlink(missing_ok=True)
    if started is None:
        return
    folder = Path(started.socket).parent
    if folder != paths.services and folder.parent == Path(tempfile.gettempdir()):
        shutil.rmtree(folder, ignore_errors=True)
