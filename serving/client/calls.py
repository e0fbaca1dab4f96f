"""What each method of the clients asks, and how its answer is read."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from serving.client.faults import ServiceError, refusal, unsent, whose
from serving.schemas import (
    Event,
    EventBatch,
    EventsTaken,
    FeatureAnswer,
    FeatureRequest,
    Found,
    ItemDescription,
    ItemFacts,
    ItemList,
    ItemStored,
    RankRequest,
    Readiness,
    RecommendationRequest,
    Recommendations,
    SearchRequest,
)

_NO_PARTS = ("", ".", "..")
"""Parts that every reader of an address takes away or for the folder above."""

OneOrSeveral = str | Sequence[str] | None
"""Names of categories."""

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Done(BaseModel):
    """The service did as it was asked, and has nothing to tell."""


@dataclass(frozen=True)
class Call(Generic[AnswerT]):
    """One request, and the type of its answer."""

    method: str
    path: str
    answer: type[AnswerT]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: BaseModel | None = None
    file: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request of a client."""
        known = {name: value for name, value in self.query.items() if value is not None}
        content = None if self.body is None else self.body.model_dump(mode="json")
        return client.build_request(
            self.method,
            self.path,
            params=known,
            json=content,
            content=self.file,
            headers=self.headers,
        )

    def read(self, response: httpx.Response) -> AnswerT:
        """The answer.

        Raises:
            ServiceError: there is none, or another than the service gives.
        """
        if not response.is_success:
            raise refusal(response)
        try:
            return self.answer.model_validate_json(response.content or b"{}")
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ServiceError(
                response.status_code,
                f"The answer to {self.method} {self.path} is none of the service's: "
                f"{place and place + ': '}{first['msg']}. {whose(response)}",
            ) from error


def recommendations(
    user_id: str,
    k: int,
    diversity: float,
    new_places: int,
    category: OneOrSeveral,
    exclude: Sequence[str],
    exclude_seen: bool,
    after: str | None,
) -> Call[Recommendations]:
    """A user's list."""
    query = {
        "k": k,
        "diversity": diversity,
        "new_places": new_places,
        **_among(category, exclude),
        "exclude_seen": exclude_seen,
        "after": after,
    }
    return Call(
        "GET", f"/v1/users/{_part(user_id, 'user_id')}/recommendations", Recommendations, query
    )


def guest_recommendations(request: RecommendationRequest) -> Call[Recommendations]:
    """A list for someone without an account."""
    return Call("POST", "/v1/recommendations", Recommendations, body=request)


def rank(user_id: str | None, items: Sequence[str]) -> Call[Recommendations]:
    """An app's own candidates in order."""
    request = RankRequest(user_id=user_id, items=list(items))
    return Call("POST", "/v1/rank", Recommendations, body=request)


def items(
    sort: str,
    category: OneOrSeveral,
    exclude: Sequence[str],
    k: int,
    offset: int,
    after: str | None,
) -> Call[ItemList]:
    """A list for everyone."""
    query = {"sort": sort, **_among(category, exclude), "k": k, "offset": offset, "after": after}
    return Call("GET", "/v1/items", ItemList, query)


def item(item_id: str) -> Call[ItemFacts]:
    """What is known of one item."""
    return Call("GET", f"/v1/items/{_part(item_id, 'item_id')}", ItemFacts)


def similar(
    item_id: str,
    k: int,
    modality: str | None,
    category: OneOrSeveral,
    exclude: Sequence[str],
) -> Call[Found]:
    """Items that are near."""
    query = {"k": k, "modality": modality, **_among(category, exclude)}
    return Call("GET", f"/v1/items/{_part(item_id, 'item_id')}/similar", Found, query)


def search(request: SearchRequest, image: bytes | None, audio: bytes | None) -> Call[Found]:
    """Items close to a text, and to a picture and a sound given as files."""
    files = {"image": image, "audio": audio}
    sent = {
        name: base64.b64encode(file).decode() for name, file in files.items() if file is not None
    }
    return Call("POST", "/v1/search", Found, body=request.model_copy(update=sent))


def put_item(item_id: str, description: ItemDescription, only_new: bool) -> Call[ItemStored]:
    """A new item, or one described again; sent again, it is known by its key."""
    headers = {"Idempotency-Key": uuid4().hex} | ({"If-None-Match": "*"} if only_new else {})
    return Call(
        "PUT",
        f"/v1/items/{_part(item_id, 'item_id')}",
        ItemStored,
        body=description,
        headers=headers,
    )


def put_media(item_id: str, modality: str, file: bytes) -> Call[ItemStored]:
    """An item's picture or sound."""
    path = f"/v1/items/{_part(item_id, 'item_id')}/media/{_part(modality, 'modality')}"
    headers = {"Content-Type": "application/octet-stream"}
    return Call("PUT", path, ItemStored, file=file, headers=headers)


def delete_item(item_id: str) -> Call[Done]:
    """An item that is gone."""
    return Call("DELETE", f"/v1/items/{_part(item_id, 'item_id')}", Done)


def features(service: str, keys: Mapping[str, Sequence[str]]) -> Call[FeatureAnswer]:
    """Feast's features of some keys."""
    request = FeatureRequest(keys={name: list(values) for name, values in keys.items()})
    return Call(
        "POST", f"/v1/features/{_part(service, 'feature_service')}", FeatureAnswer, body=request
    )


def events(batch: Sequence[Event]) -> Call[EventsTaken]:
    """Events that happened."""
    return Call("POST", "/v1/events", EventsTaken, body=EventBatch(events=list(batch)))


def undo(event_id: str) -> Call[Done]:
    """An event that is as if it had never been."""
    return Call("DELETE", f"/v1/events/{_part(event_id, 'event_id')}", Done)


def ready() -> Call[Readiness]:
    """Whether the service can answer."""
    return Call("GET", "/readyz", Readiness)


def _among(category: OneOrSeveral, exclude: Sequence[str]) -> dict[str, OneOrSeveral]:
    """Which items a list may name."""
    return {"category": category, "exclude": exclude}


def _part(value: str, name: str) -> str:
    """One part of a path, whatever it holds.

    Raises:
        ServiceError: no path can hold it, so that nothing is sent.
    """
    if value in _NO_PARTS:
        raise unsent(f"path.{name}", f"{value!r} cannot stand in a path; take another one.")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise unsent(
            f"path.{name}", f"{value!r} holds half a character, which is no UTF-8; mend it."
        ) from None
