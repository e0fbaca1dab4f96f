"""Errors as problem documents (RFC 9457): what was wrong, where, and the way out."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving.methods import methods_of
from serving.sentences import sentence

_log = logging.getLogger(__name__)
ALTERNATIVES = frozenset({"one event", "batch of events"})
"""Names that tell apart what a body may be; no part of the request."""

_CLIENT_GONE = 499
"""No status of HTTP: nginx has made it the custom in logs and figures."""

MOST_ERRORS = 20
"""Fields that an answer names: a body may have thousands of unusable ones."""

_BROKEN_JSON = "json_invalid"
_UNREAD = {
    UnicodeDecodeError: "it is not in UTF-8",
    RecursionError: "it is nested too deeply",
    ValueError: "a number in it has too many digits",
}
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One field of a request that cannot be used."""

    field: str = Field(
        description="Where, such as query.k or body.events.3.item_id.", examples=["query.k"]
    )
    message: str = Field(
        description="What is wrong with it.", examples=["Input should be less than 201."]
    )


class ProblemDocument(BaseModel):
    """An error as RFC 9457 describes it."""

    type: str = Field(default="about:blank", description="The kind of problem.")
    title: str = Field(description="The status in words.", examples=["Unprocessable Content"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(
        description="What happened, and the way out.",
        examples=["A field cannot be used: query.k."],
    )
    errors: list[FieldError] = Field(default=[], description="Fields that cannot be used.")


class Problem(Exception):
    """A request that cannot be answered as it was asked.

    Args:
        status: the HTTP status.
        detail: one clear sentence with the way out.
        errors: which fields.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers


def handle_problems(app: FastAPI) -> None:
    """Makes every error of an app a problem document, and none of them a stack trace."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the errors of a route."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {
            "model": ProblemDocument,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: schema},
        }
        for status in statuses
    }


def unavailable(message: str, error: BaseException) -> Problem:
    """A 503 whose cause only the log names, since its words may hold paths of this machine.

    Args:
        message: to the caller, what cannot be done now, as a sentence.
        error: what lies behind it.
    """
    _log.error("%s %s", message, error)
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{message} The log of the service says why; try again later.",
        headers={"Retry-After": "5"},
    )


def document(
    status: int,
    detail: str,
    errors: tuple[FieldError, ...] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An answer that is a problem document."""
    content = ProblemDocument(
        title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors)
    )
    return JSONResponse(content.model_dump(), status, headers, MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return document(error.status, error.detail, error.errors, error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()[:MOST_ERRORS]
    broken = next((fault for fault in faults if fault["type"] == _BROKEN_JSON), None)
    if broken is not None:
        reason = str(broken["ctx"]["error"]).removesuffix(" at")
        return _no_json(f"{reason}, at character {int(broken['loc'][-1]) + 1}")
    errors = tuple(
        FieldError(field=_place(fault["loc"]), message=sentence(fault)) for fault in faults
    )
    names = ", ".join(field_error.field for field_error in errors)
    return document(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"The request cannot be used: {names}.", errors
    )


def _no_json(reason: str) -> JSONResponse:
    message = f"The body is no JSON: {reason}."
    errors = (FieldError(field="body", message=message),)
    return document(HTTPStatus.BAD_REQUEST, message, errors)


def _place(parts: Sequence[str | int]) -> str:
    """Where in a request, without the names of alternatives."""
    return ".".join(str(part) for part in parts if part not in ALTERNATIVES)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    # FastAPI says no more than that a body cannot be parsed; what it found is the cause.
    if error.status_code == HTTPStatus.BAD_REQUEST and error.__cause__ is not None:
        return _no_json(_UNREAD.get(type(error.__cause__), "it cannot be read"))
    headers, detail = dict(error.headers or {}), str(error.detail)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(methods_of(request))
        detail = f"This path does not take {request.method}; it takes {headers['Allow']}."
    elif detail == HTTPStatus.NOT_FOUND.phrase:
        detail = "There is nothing at this path; /openapi.json lists what there is."
    return document(error.status_code, detail, headers=headers)


async def _gone(request: Request, error: Exception) -> Response:
    """What nobody reads: it tells the figures that the client was not there any more."""
    return Response(status_code=_CLIENT_GONE)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("A request of %s failed.", request.scope.get("route"), exc_info=error)
    return document(
        HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed; its log says why. Try again later."
    )
