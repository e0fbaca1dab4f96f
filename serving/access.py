"""Who may call what: a bearer key with a scope, once any key exists."""

import math
from http import HTTPStatus

from fastapi import Request
from fastapi.security import HTTPBearer

from serving.keys import KeyFileError, KeyRing, Scope
from serving.problems import Problem
from serving.rate_limit import RateLimit

bearer = HTTPBearer(auto_error=False, description="A key of `crossmodal keys add`.")
"""How a key is sent."""


def keys_unreadable() -> Problem:
    """While the keys cannot be read: callers are shown no path."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The service cannot read its keys and lets nobody in; its log says why. Try again later.",
        headers={"Retry-After": "5"},
    )


async def require_key(request: Request, scope: Scope) -> None:
    """Lets the holders of a scope pass, and everybody while the service has never seen a key.

    Such a service is open, and listens on the loopback address alone.

    Raises:
        Problem: 401 without a valid key, 403 with one that lacks the scope, 429 with one that asks
            too often.
    """
    ring: KeyRing = request.app.state.keys
    try:
        if not ring.required():
            return
        sent = await bearer(request)
        key = ring.holder(sent.credentials) if sent else None
    except KeyFileError as error:
        ring.report(error)
        raise keys_unreadable() from error
    if key is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "A valid key is needed: send it as `Authorization: Bearer <key>`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if not key.allows(scope):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"This key lacks the scope {scope}; it has {', '.join(key.scopes)}.",
        )
    limit: RateLimit = request.app.state.rate_limit
    wait = limit.wait(key.name)
    if wait > 0:
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "This key asks more often than it may; send the request again after a while.",
            headers={"Retry-After": str(math.ceil(wait))},
        )
