"""Search by words, a picture, a sound, or several at once."""

import base64
from collections.abc import Iterator

from crossmodal.modalities import MEDIA_KINDS
from models.data import Floats
from serving.champion import Champion
from serving.guarded import v1_router
from serving.histories import UserState
from serving.problems import unavailable
from serving.routes.asking import (
    Asked,
    InUse,
    found_items,
    may_be_shown,
    of_catalogue,
    unusable,
)
from serving.schemas import Found, SearchRequest
from serving.searching import Query, by_taste, nearest, queries_by
from serving.service import Service
from serving.stages import FAILURES

_BYTES = 8_000_000
"""A picture and a sound of 6 MB together, as base64."""

router = v1_router("items", "read", 404, 415, 422, 503, json_bytes=_BYTES)
_FOR_A_USER = 100


@router.post("/search")
def search(service: Asked, champion: InUse, request: SearchRequest) -> Found:
    """Items whose words, pictures or sounds are near to what was typed, shown or played.

    Several parts are fused by their weights. For a user, the best finds are put in an order that
    their taste shares in, and what they have hidden is left out.
    """
    state = None if request.user_id is None else _state(service, champion, request.user_id)
    hidden = () if state is None else (state.hidden,)
    excluded, unknown = of_catalogue(champion, request.exclude)
    allowed = may_be_shown(champion, request.category, excluded, *hidden)
    queries = _queries(service, champion, request)
    with service.metrics.stage("search"):
        wanted = request.k if state is None else max(_FOR_A_USER, request.k)
        matches = nearest(champion, queries, allowed, wanted)
        if state is not None:
            matches = by_taste(champion, matches, state.history)
    return found_items(champion, matches[: request.k], unknown)


def _state(service: Service, champion: Champion, user_id: str) -> UserState:
    """What the user did.

    Raises:
        Problem: 503, it cannot be read, and what they hid could be found.
    """
    try:
        return service.state_of(champion, user_id)
    except FAILURES as error:
        raise unavailable("What the user did cannot be read now.", error) from error


def _queries(service: Service, champion: Champion, request: SearchRequest) -> list[Query]:
    space = service.space()
    weights = request.weights.model_dump()
    sent = request.model_dump(include=set(weights), exclude_none=True)
    if not sent:
        raise unusable("body", "Nothing is asked for; give a text, an image or an audio.")
    if not any(weights[name] for name in sent):
        raise unusable("body.weights", "Every part that was sent has the weight 0.")
    queries = [
        query
        for kind, vector in _vectors(service, request)
        if weights[kind]
        for query in queries_by(champion, space, kind, vector, weights[kind], request.modalities)
    ]
    if not queries and request.modalities is None:
        there = ", ".join(champion.vectors) or "none"
        raise unusable(
            "body",
            "Nothing that was sent can be compared with the items of this catalogue, of which are "
            f"known: {there}.",
        )
    return queries


def _vectors(service: Service, request: SearchRequest) -> Iterator[tuple[str, Floats]]:
    """Each part that was sent, as a unit vector (384,) of the shared space."""
    if request.text is not None:
        yield "text", service.encode([request.text])[0]
    for kind in MEDIA_KINDS:
        content: str | None = getattr(request, kind)
        if content is None:
            continue
        with service.metrics.stage(f"{kind} encoder"):
            read = service.uploads.read(kind, _bytes(content, f"body.{kind}"), f"body.{kind}")
        vector = service.space().vector(kind, read.features[kind])
        # A catalogue without pictures has no place for one.
        if vector is not None:
            yield kind, vector


def _bytes(content: str, field: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise unusable(field, "This is no base64.") from error
