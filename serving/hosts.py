"""Names under which the service is asked: a page elsewhere must not reach it by a name of its own.

A name that leads to 127.0.0.1 makes a browser take the service for a part of the page that it
shows (DNS rebinding). Such a page may then read and write as its visitor could, unless the service
looks at the name it was asked by.
"""

import ipaddress
import re
from collections.abc import Callable, Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.keys import KeyFileError
from serving.problems import document

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[^\s:@/?#\[\]]+))(?::\d{1,5})?")
_MOST_SHOWN = 100
_BY_ADDRESS = frozenset({"/healthz", "/readyz", "/metrics"})
"""What load balancers and Prometheus ask; the last of them for a key as well."""


class AllowedHosts:
    """Answers 400 to a request whose `Host` is not one of the service's own names.

    Names of this machine itself always are, and so is the address that it listens on. Others are
    those that the operator has named. Where none was named and callers need a key, any name will
    do: no browser sends a key by itself. Probes and figures of a service with keys are answered
    whatever its name, since load balancers and Prometheus ask by address.

    Args:
        app: what is asked otherwise.
        address: that the service listens on.
        names: that the operator has named; `*.shop.example` for all below, `*` for any.
        keyed: whether callers need a key.
    """

    def __init__(
        self, app: ASGIApp, address: str, names: Collection[str], keyed: Callable[[], bool]
    ) -> None:
        self._app, self._address, self._keyed = app, address.lower(), keyed
        self._names = frozenset(name.lower() for name in names)
        self._below = tuple(name[1:] for name in self._names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on a request that asks for this service."""
        if scope["type"] != "http" or self._answers(scope):
            await self._app(scope, receive, send)
            return
        names = ", ".join(_asked(scope)) or "no name at all"
        answer = document(
            HTTPStatus.BAD_REQUEST,
            f"This service is not known as {names[:_MOST_SHOWN]}: ask it as localhost, or name the "
            "host in CROSSMODAL_SERVE_ALLOWED_HOSTS.",
        )
        await answer(scope, receive, send)

    def _answers(self, scope: Scope) -> bool:
        host = _host(scope)
        if "*" in self._names or (host is not None and (_local(host) or self._named(host))):
            return True
        return self._needs_key() and (not self._names or scope["path"] in _BY_ADDRESS)

    def _named(self, host: str) -> bool:
        return host == self._address or host in self._names or host.endswith(self._below)

    def _needs_key(self) -> bool:
        try:
            return self._keyed()
        except KeyFileError:
            # Nobody is let in without a key by a file that cannot be read.
            return True


def _asked(scope: Scope) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]


def _host(scope: Scope) -> str | None:
    """The name that a request asks for, without its port; None unless there is exactly one."""
    names = _asked(scope)
    match = _HOST.fullmatch(names[0].lower()) if len(names) == 1 else None
    return match and (match["ipv6"] or match["name"].removesuffix("."))


def _local(host: str) -> bool:
    """Whether a name always means the machine that says it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
