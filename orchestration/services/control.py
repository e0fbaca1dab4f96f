"""Asks a running supervisord, by its socket."""

import http.client
import socket
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.services.configuration import GROUP
from orchestration.services.places import ServicesError

_SECONDS = 10.0


@dataclass(frozen=True)
class Program:
    """A program as its supervisor sees it.

    Attributes:
        state: supervisord's word for it, such as RUNNING or FATAL.
        pid: of its process; 0 where there is none.
    """

    state: str
    pid: int

    @property
    def lives(self) -> bool:
        """Whether it runs, or is about to."""
        return self.state in ("RUNNING", "STARTING", "BACKOFF")


class Supervisor:
    """The supervisord that listens on a socket, if there is one.

    Every question raises ServicesError if none listens, or it does not answer in time.

    Args:
        place: of the socket.
    """

    def __init__(self, place: str) -> None:
        self._place = place

    def answers(self) -> bool:
        """Whether one listens; a socket that a killed one has left does not."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self._place)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True

    def pid(self) -> int:
        """Of its process."""
        return int(self._ask("getPID"))

    def programs(self) -> Mapping[str, Program]:
        """Each program by its name."""
        found = self._ask("getAllProcessInfo")
        return {one["name"]: Program(one["statename"], one["pid"]) for one in found}

    def start(self, name: str) -> None:
        """Starts a program that does not run, and does not wait for it."""
        try:
            self._ask("startProcess", f"{GROUP}:{name}", False)
        except ServicesError:
            # It may have started meanwhile; what it could not start is FATAL.
            if self.programs()[name].state not in ("FATAL", "RUNNING", "STARTING"):
                raise

    def shut_down(self) -> None:
        """Asks it to end its programs in order, and then itself."""
        self._ask("shutdown")

    def _ask(self, what: str, *about: object) -> Any:
        try:
            with xmlrpc.client.ServerProxy("http://here", transport=_ByPath(self._place)) as proxy:
                return getattr(proxy.supervisor, what)(*about)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise ServicesError(
                f"The supervisor that listens on {self._place} does not do as it is asked "
                f"({error}). Its log in the home's folder `logs` may say why."
            ) from error


class _ByPath(xmlrpc.client.Transport):
    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place

    def make_connection(self, host: Any) -> "_Connection":
        return _Connection(self._place)


class _Connection(http.client.HTTPConnection):
    def __init__(self, place: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._place = place

    def connect(self) -> None:
        """Connects by the path of the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._place)
