"""Dagster's web UI and daemon, on the instance of the state folder."""

import os
import socket
import subprocess
import sys
from types import FrameType
from typing import NoReturn

import psutil

from crossmodal.ending import UI_SECONDS, end_all, on_ending
from crossmodal.paths import StatePaths

_MARK = "UI_OF_CROSSMODAL"
"""In the environment of every process of a web UI: the home that it works in."""

_BROKEN_DOWN = 1
_KILL_SECONDS = 20.0


def serve_ui(paths: StatePaths, port: int) -> int:
    """Runs `dagster dev` until it ends or a signal ends it, with every process that it started.

    Dagster's processes take their instance from DAGSTER_HOME, which only their own environment is
    given. They are a session of their own: a signal reaches this process, which ends them in order.

    Returns:
        0 after a signal. Otherwise its exit code, or 1: when its daemon or its web server has
        ended, it ends too, but calls that a success.
    """
    environment = os.environ | {"DAGSTER_HOME": str(paths.dagster), _MARK: str(paths.home)}
    command = [sys.executable, "-m", "dagster", "dev", "--port", str(port)]
    command += ["--module-name", "orchestration.definitions"]
    with on_ending(_leave):
        dagster = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            return dagster.wait() or _BROKEN_DOWN
        except KeyboardInterrupt:
            return 0
        finally:
            _end(dagster)


def end_left_by_killed(paths: StatePaths) -> None:
    """Kills what a web UI that was killed has left in a home, runs among it.

    Whoever calls it holds the lock of the web UI, so that no living one has processes there. What
    they wrote is whole after a kill too, and the next web UI takes their runs up again.
    """
    # The second time for what the first ones were about to start.
    for _ in range(2):
        left = [process for process in psutil.process_iter() if _is_of(process, paths)]
        end_all(left, 0)
        psutil.wait_procs(left, timeout=_KILL_SECONDS)


def _is_of(process: psutil.Process, paths: StatePaths) -> bool:
    try:
        home: str | None = process.environ().get(_MARK)
    except (psutil.Error, OSError):
        return False
    return home == str(paths.home)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _end(dagster: "subprocess.Popen[bytes]") -> None:
    """Ends Dagster and all that it started; a second signal does not wait for it."""
    family = _session(dagster.pid)
    if dagster.poll() is None:
        dagster.terminate()
    try:
        end_all(family, UI_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        end_all(_session(dagster.pid), 0)
        dagster.wait()


def _session(leader: int) -> list[psutil.Process]:
    """The processes of a session, including orphaned ones; on Windows, those of a family."""
    if not hasattr(os, "getsid"):
        try:
            first = psutil.Process(leader)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
    return [process for process in psutil.process_iter() if _session_of(process.pid) == leader]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port of an address of this machine."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
