"""The Ray cluster that a process works with."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import ray

_ANSWER_SECONDS = 5.0
_NOT_RAY = "what answers there is not Ray"


class RayUnreachableError(RuntimeError):
    """There is no cluster to work with; the message says why, and the way out."""


def connect(address: str) -> None:
    """Joins the cluster, for as long as this process lives.

    Args:
        address: as in the setting.

    Raises:
        RayUnreachableError: no cluster answers at the address, or it refuses this process.
    """
    if ray.is_initialized():
        return
    if address:
        _require_answer(address)
    # Nothing of the platform reports to anyone.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with _same_handler_of_sigterm():
        try:
            ray.init(
                address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level="WARNING",
            )
        # Ray says in the same ways that it finds no node here, and that versions or tokens differ.
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise RayUnreachableError(_said_of(address, error)) from error
    # Its plans of execution would interrupt the run's own progress.
    logging.getLogger("ray.data").setLevel(logging.WARNING)


def processors() -> tuple[int, int]:
    """How many CPUs and GPUs the cluster lends.

    Raises:
        RayUnreachableError: no CPU, so that work would wait for ever.
    """
    resources = ray.cluster_resources()
    cpus, gpus = (int(resources.get(kind, 0)) for kind in ("CPU", "GPU"))
    if not cpus:
        raise RayUnreachableError(
            "The Ray cluster lends no CPU: start a node without `--num-cpus=0`."
        )
    return cpus, gpus


def _require_answer(address: str) -> None:
    """Ray itself would try for a quarter of an hour, where nobody is there or another service."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    # A port beyond 65535 overflows; a name that is none cannot be encoded.
    except (OSError, OverflowError, UnicodeError) as error:
        raise RayUnreachableError(_said_of(address, error)) from error
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(_ANSWER_SECONDS)
        except grpc.FutureTimeoutError as error:
            raise RayUnreachableError(_said_of(address, _NOT_RAY)) from error


def _said_of(address: str, reason: object) -> str:
    if not address:
        return f"Ray does not start on this machine: {reason}"
    return (
        f"No Ray cluster takes this process at CROSSMODAL_RAY_ADDRESS={address} ({reason}): start "
        "one with `ray start --head`, let this machine join it, and name its address; or leave "
        "the setting out."
    )


@contextmanager
def _same_handler_of_sigterm() -> Iterator[None]:
    """Ray would end the process by a handler of its own, past what the run does at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
