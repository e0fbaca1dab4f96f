"""The service on an address that may be listened on, in one process or several."""

import ipaddress
import math
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.supervisors import Multiprocess

from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from serving.connections import BoundedHeads
from serving.keys import KeyRing
from serving.worker import application

_HUNG_SECONDS = 30
"""A worker that does not answer its supervisor for so long is replaced."""


class AddressError(RuntimeError):
    """The service may not, or cannot, listen on an address; the message says the way out."""


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Answers until it is stopped.

    Args:
        settings: where to listen, and on what home.
        announce: told where people find it, once it may listen there.

    Raises:
        AddressError: other machines could reach the service and nobody is asked for a key, or the
            address is taken.
        PseudonymKeyError: the key of the home's users is missing or empty.
    """
    open_to_all = not KeyRing(StatePaths(settings.home).api_keys).all()
    if open_to_all:
        _require_loopback(settings.serve_host)
    _require_free(settings.serve_host, settings.serve_port)
    # The workers read it too, but a worker's failure is no sentence that an operator sees.
    Workspace(settings).id_key()
    address = f"http://{settings.serve_host}:{settings.serve_port}"
    announce(f"Starting: in some seconds {address} shows it, and {address}/docs describes it.")
    if open_to_all:
        announce("There is no key yet, so that only this machine can call, and without one.")
    if settings.serve_workers == 1:
        uvicorn.Server(_config(settings, None)).run()
    else:
        _supervise(settings)


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
    """Keeps the workers alive on one socket: one that died or hangs is started anew."""
    figures = StatePaths(settings.home).worker_figures
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir(parents=True)
    # The library reads it when a worker imports it, and can be told in no other way.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(figures)
    config = _config(settings, figures)
    with closing(config.bind_socket()) as listening:
        Multiprocess(config, sockets=[listening]).run()


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
                "choose another CROSSMODAL_SERVE_PORT."
            ) from error
