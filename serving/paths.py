"""Paths that do not say which thing is meant are refused before a route is chosen."""

from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from crossmodal.ids import in_print, no_dot_segments
from serving.problems import FieldError, document


class PlainPaths:
    """Answers 422 to a path that could be read as another one.

    A server puts one replacement character in the place of all bytes that are no UTF-8, and a
    route's pattern passes over a line break at the end: what comes after sees another id.

    Args:
        app: what is asked otherwise.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on a request whose path says one thing."""
        fault = _fault(scope) if scope["type"] == "http" else ""
        if not fault:
            await self._app(scope, receive, send)
            return
        answer = document(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"The path cannot be used. {fault}",
            (FieldError(field="path", message=fault),),
        )
        await answer(scope, receive, send)


def _fault(scope: Scope) -> str:
    """What is wrong with a path; empty where nothing is."""
    try:
        path = unquote_to_bytes(scope["raw_path"]).decode()
        no_dot_segments(in_print(path))
    except UnicodeDecodeError:
        return "Its bytes are no UTF-8; encode ids as UTF-8, then by percent signs."
    except ValueError as error:
        return str(error)
    return ""
