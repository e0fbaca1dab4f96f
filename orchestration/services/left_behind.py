"""What a supervisor that was killed had started, and what goes on without it."""

from collections.abc import Mapping

import psutil

from crossmodal.ending import end_all


def left_behind(place: str) -> Mapping[int, str]:
    """The names of living programs that the supervisor of a socket started, by process.

    Supervisord says in the environment of each program which socket is its own. A program's own
    processes inherit that; only the first of each family is listed.
    """
    found = {process.pid: process for process in psutil.process_iter() if _url(process) == place}
    first = {pid: one for pid, one in found.items() if _parent(one) not in found}
    return {pid: name for pid, one in first.items() if (name := _named(one)) is not None}


def end_left_behind(pids: Mapping[int, str], seconds: float) -> None:
    """Ends them in order, with all that they started; what does not end in time is killed."""
    first = [process for pid in pids if (process := _living(pid)) is not None]
    family = [child for process in first for child in _family(process)]
    for process in first:
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    end_all(family, seconds)


def _url(process: psutil.Process) -> str | None:
    return _environment(process).get("SUPERVISOR_SERVER_URL", "").removeprefix("unix://") or None


def _named(process: psutil.Process) -> str | None:
    return _environment(process).get("SUPERVISOR_PROCESS_NAME")


def _environment(process: psutil.Process) -> Mapping[str, str]:
    try:
        found: dict[str, str] = process.environ()
    except (psutil.Error, OSError):
        return {}
    return found


def _parent(process: psutil.Process) -> int | None:
    try:
        parent: int = process.ppid()
    except psutil.Error:
        return None
    return parent


def _living(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
