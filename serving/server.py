"""The service on an address that may be listened on, in one process or several."""

import ipaddress
import logging
import math
import os
import shutil
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

import uvicorn

from crossmodal.ending import on_ending
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.store_errors import require_writable
from crossmodal.workspace import Workspace
from serving.connections import BoundedHeads
from serving.keys import KeyRing
from serving.stores import require_stores
from serving.supervisor import Supervisor, ending_seconds
from serving.worker import application

_log = logging.getLogger(__name__)

_HUNG_SECONDS = 30
"""A worker that does not answer its supervisor for so long is replaced."""


class AddressError(RuntimeError):
    """The service may not, or cannot, listen on an address; the message says the way out."""


class ServiceFailedError(RuntimeError):
    """The service could not start, and its processes have said why."""


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Answers until a signal ends it: SIGTERM, SIGINT, or SIGHUP of a terminal that is closed.

    Args:
        settings: where to listen, and on what home.
        announce: called with where people find it, once it may listen there.

    Raises:
        AddressError: other machines could reach the service and nobody is asked for a key, or the
            address is taken.
        KeyFileError: the keys of those who may call cannot be read.
        PseudonymKeyError: the key of the home's users is missing or empty.
        ServiceFailedError: no process could start.
        StoreError: a store cannot be read or written.
        SystemExit: 1, a process did not end in time and was killed; the log says so.
    """
    with on_ending(_leave):
        _look_and_serve(settings, announce)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Before there is a server that a signal could end in order."""
    raise SystemExit(0)


def _look_and_serve(settings: Settings, announce: Callable[[str], None]) -> None:
    paths = StatePaths(settings.home)
    open_to_all = not KeyRing(paths.api_keys).all()
    if open_to_all:
        _require_loopback(settings.serve_host)
    _require_free(settings.serve_host, settings.serve_port)
    # The workers use them too, but a worker's failure is no sentence that an operator sees.
    require_writable(settings.home)
    # Before the stores: a home that has some and no key is one whose key was lost.
    Workspace(settings).key_of_users()
    require_stores(paths)
    address = f"http://{settings.serve_host}:{settings.serve_port}"
    announce(f"Starting: in some seconds {address} shows it, and {address}/docs describes it.")
    if open_to_all:
        announce("There is no key yet, so that only this machine can call, and without one.")
    if settings.serve_workers == 1:
        _serve_alone(settings)
    else:
        _supervise(settings)


class _Server(uvicorn.Server):
    """One that ends in time, whatever still works then, and at once where it serves nobody yet."""

    _deadline: threading.Timer | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ends the service, as a signal asks."""
        if not self.started:
            # It has taken nothing yet, and would first get ready before it looks at the signal.
            os._exit(0)
        super().handle_exit(sig, frame)
        if self._deadline is None:
            seconds = ending_seconds(self.config)
            self._deadline = threading.Timer(seconds, _end_now, (seconds,))
            self._deadline.daemon = True
            self._deadline.start()


def _end_now(seconds: float) -> None:
    _log.error("The service did not end by itself within %g s and was ended.", seconds)
    os._exit(1)


def _serve_alone(settings: Settings) -> None:
    server = _Server(_config(settings, None))
    # Uvicorn raises a signal that it has followed once more, which should not kill the process.
    with on_ending(server.handle_exit):
        try:
            server.run()
        except SystemExit as error:
            raise _failed() from error


def _failed() -> ServiceFailedError:
    return ServiceFailedError("The service could not start; the reason is above.")


def _config(settings: Settings, figures: Path | None) -> uvicorn.Config:
    return uvicorn.Config(
        partial(application, settings, figures),
        factory=True,
        host=settings.serve_host,
        port=settings.serve_port,
        workers=settings.serve_workers,
        # Uvicorn's access log would hold raw user ids, which are part of a path.
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_worker_healthcheck=_HUNG_SECONDS,
        # A class in all but name: bound to a setting, it still reaches workers by pickle.
        http=cast(Any, partial(BoundedHeads, head_seconds=settings.serve_header_seconds)),
        timeout_graceful_shutdown=math.ceil(settings.serve_stop_seconds),
    )


def _supervise(settings: Settings) -> None:
    """Keeps the workers alive on one socket: one that died or hangs is started again."""
    figures = StatePaths(settings.home).worker_figures
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir(parents=True)
    # The library reads it when a worker imports it, and takes it in no other way. Feast, which
    # has its own name for it, would leave a folder of each process behind.
    for name in ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR"):
        os.environ[name] = str(figures)
    config = _config(settings, figures)
    with closing(config.bind_socket()) as listening:
        supervisor = Supervisor(config, listening)
        supervisor.run()
    if supervisor.gave_up:
        raise _failed()
    if supervisor.killed:
        raise SystemExit(1)


def _require_loopback(host: str) -> None:
    local = host == "localhost"
    if not local:
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            local = False
    if not local:
        raise AddressError(
            f"CROSSMODAL_SERVE_HOST={host} could be reached from other machines, and there is no "
            "key yet: make one with `crossmodal keys add`, or listen on 127.0.0.1."
        )


def _require_free(host: str, port: int) -> None:
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AddressError(
                f"{host}:{port} cannot be listened on ({error.strerror}); stop what does, or "
                "choose another port, by --port or CROSSMODAL_SERVE_PORT."
            ) from error
