"""Starts the web UI and the online service under supervisord, and waits until both answer."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NoReturn

import filelock
import psutil

from crossmodal.atomic import atomic_write_bytes
from crossmodal.home_lock import HomeBusyError, home_lock
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from orchestration.services.configuration import (
    NAMES,
    configuration,
    environment,
    stop_seconds,
)
from orchestration.services.control import Supervisor
from orchestration.services.left_behind import end_left_behind, left_behind
from orchestration.services.places import (
    ServicesError,
    Started,
    configuration_file,
    made_folders,
    note,
    noted,
    socket_of,
)
from orchestration.services.waiting import await_answers
from orchestration.web import port_is_free

DEFAULT_UI_PORT = 3000

_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
"""Where this machine reaches a service that listens on every address."""

_LAUNCH_SECONDS = 60

Say = Callable[[str], None]


def bring_up(settings: Settings, ui_port: int | None, say: Say) -> Started:
    """Starts what does not run yet, and returns once both answer.

    Args:
        settings: of the home, and where the service listens.
        ui_port: of the web UI; None for where it runs already, or the default.
        say: called with what people should know.

    Raises:
        ServicesError: something did not start; the message has the last lines of its log.
        OSError: the folders in the home cannot be used.
    """
    paths = StatePaths(settings.home)
    made_folders(paths)
    with alone(paths, say):
        started = running(paths)
        if started is None:
            started = _prepared(settings, ui_port or DEFAULT_UI_PORT, say)
            _launch(settings)
            say("Started the web UI and the online service; waits until both answer.")
        else:
            _start_the_rest(settings, started, ui_port, say)
        await_answers(paths, started)
    return started


def become_supervisor(settings: Settings, ui_port: int | None, say: Say) -> NoReturn:
    """Starts both as `bring_up` does, but this process becomes the supervisor and waits for none.

    Raises:
        ServicesError: they run already, or cannot be started.
        OSError: the folders in the home cannot be used.
    """
    paths = StatePaths(settings.home)
    made_folders(paths)
    with alone(paths, say):
        if (found := running(paths)) is not None:
            raise ServicesError(
                f"A supervisor works in {paths.home} (process {Supervisor(found.socket).pid()}); "
                "end it with `crossmodal down`."
            )
        started = _prepared(settings, ui_port or DEFAULT_UI_PORT, say)
        say(f"Web UI: {started.ui}. Online service: {started.service}. Logs: {paths.logs}.")
        command = [*_supervisord(paths), "--nodaemon"]
    os.execve(command[0], command, environment(settings))  # noqa: S606


def running(paths: StatePaths) -> Started | None:
    """What runs under a supervisor of this home; None where no supervisor answers."""
    started = noted(paths)
    return started if started is not None and Supervisor(started.socket).answers() else None


@contextmanager
def alone(paths: StatePaths, say: Say) -> Iterator[None]:
    """Lets one `up` or `down` work at a time in a home."""
    lock = filelock.FileLock(paths.services / "up.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        say("Waits for another `crossmodal up` or `crossmodal down` in this home.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _prepared(settings: Settings, ui_port: int, say: Say) -> Started:
    """Makes room for both programs and writes what a supervisor reads."""
    paths = StatePaths(settings.home)
    clear_left_behind(settings, say)
    _require_room(settings, ui_port)
    host = _LOCAL.get(settings.serve_host, settings.serve_host)
    shown = f"[{host}]" if ":" in host else host
    started = Started(
        socket=str(socket_of(paths)),
        ui=f"http://127.0.0.1:{ui_port}",
        service=f"http://{shown}:{settings.serve_port}",
    )
    text = configuration(settings, ui_port)
    atomic_write_bytes(configuration_file(paths), text.encode())
    note(paths, started)
    return started


def clear_left_behind(settings: Settings, say: Say) -> bool:
    """Ends what a killed supervisor has left; whether there was something.

    Without a supervisor nobody reads what it writes or would start it again.
    """
    paths = StatePaths(settings.home)
    started = noted(paths)
    left = {} if started is None else left_behind(started.socket)
    if not left:
        return False
    names = [f"the {NAMES.get(name, name)} (process {pid})" for pid, name in left.items()]
    say(f"The supervisor was killed. Ends what it has left: {', '.join(names)}.")
    end_left_behind(left, max(stop_seconds(settings).values()))
    return True


def _require_room(settings: Settings, ui_port: int) -> None:
    """Refuses where a web UI works that no supervisor has started, or a port is taken."""
    try:
        # Asks the lock itself: a note that a killed one has left may name a process of today.
        with home_lock(StatePaths(settings.home), "ui"):
            pass
    except HomeBusyError as error:
        raise ServicesError(str(error)) from error
    if not settings.serve_port:
        raise ServicesError("Set CROSSMODAL_SERVE_PORT to a port: 0 is a different one each time.")
    if ui_port == settings.serve_port:
        raise ServicesError(f"The web UI and the service need two ports; both have {ui_port}.")
    if not port_is_free(ui_port):
        raise ServicesError(f"Port {ui_port} is taken; name another with --ui-port.")
    if not port_is_free(settings.serve_port, _LOCAL.get(settings.serve_host, settings.serve_host)):
        raise ServicesError(
            f"{settings.serve_host}:{settings.serve_port} cannot be listened on. End what listens "
            "there, such as a `crossmodal serve` of your own, or set CROSSMODAL_SERVE_PORT and "
            "CROSSMODAL_SERVE_HOST."
        )


def _supervisord(paths: StatePaths) -> list[str]:
    try:
        import supervisor.supervisord  # noqa: F401
    except ImportError as error:
        raise ServicesError(
            "The package `supervisor` is missing, or does not work on this system: install what "
            "`requirements.lock` lists, or start `crossmodal ui` and `crossmodal serve` yourself."
        ) from error
    return [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration_file(paths))]


def _launch(settings: Settings) -> None:
    """Starts supervisord, which goes on without this process once it listens."""
    command = _supervisord(StatePaths(settings.home))
    try:
        ended = subprocess.run(
            command,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LAUNCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServicesError(f"supervisord did not start within {_LAUNCH_SECONDS} s.") from error
    if ended.returncode:
        raise ServicesError(f"supervisord did not start: {ended.stdout.strip()}")


def _start_the_rest(settings: Settings, started: Started, ui_port: int | None, say: Say) -> None:
    """Starts the programs of a running supervisor that do not run."""
    supervisor = Supervisor(started.socket)
    programs = supervisor.programs()
    missing = [name for name in NAMES if not programs[name].lives]
    for name in missing:
        say(f"The {NAMES[name]} does not run; starts it.")
        supervisor.start(name)
    since = psutil.Process(supervisor.pid()).create_time()
    if not missing:
        say(f"Up already, since {_utc(since)} UTC.")
    ports = (started.service.rpartition(":")[2], started.ui.rpartition(":")[2])
    if ports != (str(settings.serve_port), str(ui_port or ports[1])):
        say("It keeps its ports; for others, `crossmodal down` first.")


def _utc(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M")
