"""Paths that do not say which thing is meant are refused before a route is chosen."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from crossmodal.ids import in_print, no_dot_segments
from crossmodal.modalities import MEDIA_KINDS
from serving.problems import FieldError, Problem, document

_CHANGES = {"DELETE", "PUT"}
_OF_A_ROUTE = re.compile(f"/(similar|media/({'|'.join(MEDIA_KINDS)}))$")
_ENCODED_SLASH = re.compile(b"%2[fF]")
_HALF_ESCAPE = re.compile(b"%(?![0-9a-fA-F]{2})")
_SLASH_OF_AN_ID = "\x1f"
"""Stands for it while a route is chosen: no path that is passed on holds a control character."""


def slashes_of_ids(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a path, with the slashes that were encoded, since they are of ids."""
    return {
        name: value.replace(_SLASH_OF_AN_ID, "/") if isinstance(value, str) else value
        for name, value in params.items()
    }


def require_no_route(request: Request) -> None:
    """Refuses to take another route's path for an id, where that route lacks the method.

    Raises:
        Problem: 405, as a slip would make or delete an item of that name.
    """
    match = _OF_A_ROUTE.search(str(request.path_params.get("item_id", "")))
    if match is None or request.method not in _CHANGES:
        return
    takes = "GET, HEAD" if match[1] == "similar" else "GET, HEAD, PUT"
    raise Problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"This path does not take {request.method}; it takes {takes}. In an id, write a slash as "
        "%2F.",
        headers={"Allow": takes},
    )


class PlainPaths:
    """Answers 422 to a path that could be read as another one.

    A server puts one replacement character in the place of all bytes that are no UTF-8, and a
    route's pattern passes over a line break at the end: what comes after sees another id. A slash
    that is encoded is of an id, so that an item `a/similar` is not what is similar to `a`.

    Args:
        app: what is asked otherwise.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on a request whose path says one thing."""
        fault = _fault(scope) if scope["type"] == "http" else ""
        if not fault:
            await self._app(_routed(scope), receive, send)
            return
        answer = document(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"The path cannot be used. {fault}",
            (FieldError(field="path", message=fault),),
        )
        await answer(scope, receive, send)


def _routed(scope: Scope) -> Scope:
    """The request as routes are chosen for it."""
    raw = scope.get("raw_path", b"")
    if scope["type"] != "http" or not _ENCODED_SLASH.search(raw):
        return scope
    marked = _ENCODED_SLASH.sub(_SLASH_OF_AN_ID.encode(), raw)
    return {**scope, "path": unquote_to_bytes(marked).decode()}


def _fault(scope: Scope) -> str:
    """What is wrong with a path; empty where nothing is."""
    if _HALF_ESCAPE.search(scope["raw_path"]):
        return "A percent sign is not followed by two hexadecimal digits; write % as %25."
    try:
        path = unquote_to_bytes(scope["raw_path"]).decode()
        no_dot_segments(in_print(path))
    except UnicodeDecodeError:
        return "Its bytes are no UTF-8; encode ids as UTF-8, then by percent signs."
    except ValueError as error:
        return str(error)
    return ""
