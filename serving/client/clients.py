"""The two clients: the same methods, the same answers."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx
from tenacity import AsyncRetrying, Retrying

from serving.client import calls
from serving.client.calls import AnswerT, Call, OneOrSeveral
from serving.client.faults import service_errors
from serving.client.retries import Policy, require_answer
from serving.schemas import (
    Event,
    EventsTaken,
    FeatureAnswer,
    Found,
    ItemDescription,
    ItemFacts,
    ItemList,
    ItemStored,
    Readiness,
    RecommendationRequest,
    Recommendations,
    SearchRequest,
)

_URL = "http://127.0.0.1:8000"


class Client:
    """Asks the service and waits for the answer.

    Every method raises `ServiceError` where the service refuses, an id cannot be sent, or the
    answer is not the service's (a proxy's page, say), and `httpx.TransportError` where it cannot be
    reached after all tries.

    Args:
        url: of the service.
        key: of `crossmodal keys add`, where the service asks for one.
        timeout: seconds for one try.
        attempts: most tries of a call, at least one.
        patience: most seconds that a call waits between its tries, in all; where the service asks
            for a longer wait (`Retry-After`), the error comes at once and says so.

    Raises:
        ValueError: there is no try, or less than no time to wait.
    """

    def __init__(
        self,
        url: str = _URL,
        key: str | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
        patience: float = 60.0,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout, headers=_headers(key))
        self._policy = Policy(attempts, patience)

    def recommendations(
        self,
        user_id: str,
        *,
        k: int = 20,
        diversity: float = 0.0,
        new_places: int = 0,
        category: OneOrSeveral = None,
        exclude: Sequence[str] = (),
        exclude_seen: bool = True,
        after: str | None = None,
    ) -> Recommendations:
        """The best items for a user; `after` of an answer asks for its next page."""
        call = calls.recommendations(
            user_id, k, diversity, new_places, category, exclude, exclude_seen, after
        )
        return self._send(call)

    def guest_recommendations(self, asked: RecommendationRequest) -> Recommendations:
        """The best items for someone without an account."""
        return self._send(calls.guest_recommendations(asked))

    def rank(self, items: Sequence[str], user_id: str | None = None) -> Recommendations:
        """The app's own candidates in order."""
        return self._send(calls.rank(user_id, items))

    def items(
        self,
        sort: str = "popular",
        *,
        category: OneOrSeveral = None,
        exclude: Sequence[str] = (),
        k: int = 20,
        offset: int = 0,
        after: str | None = None,
    ) -> ItemList:
        """A list for everyone: popular, trending or latest."""
        return self._send(calls.items(sort, category, exclude, k, offset, after))

    def item(self, item_id: str) -> ItemFacts:
        """What is known of one item."""
        return self._send(calls.item(item_id))

    def similar(
        self,
        item_id: str,
        *,
        k: int = 20,
        modality: str | None = None,
        category: OneOrSeveral = None,
        exclude: Sequence[str] = (),
    ) -> Found:
        """Items that are near, in what they are or in one modality of it."""
        return self._send(calls.similar(item_id, k, modality, category, exclude))

    def search(
        self, asked: SearchRequest, *, image: bytes | None = None, audio: bytes | None = None
    ) -> Found:
        """Items that are near to what was typed, and to a picture and a sound given as files."""
        return self._send(calls.search(asked, image, audio))

    def put_item(
        self, item_id: str, description: ItemDescription, *, only_new: bool = False
    ) -> ItemStored:
        """Puts an item into the catalogue, or describes it again; it is in force at once."""
        return self._send(calls.put_item(item_id, description, only_new))

    def put_media(self, item_id: str, modality: str, file: bytes) -> ItemStored:
        """Gives an item its picture (image) or sound (audio)."""
        return self._send(calls.put_media(item_id, modality, file))

    def delete_item(self, item_id: str) -> None:
        """Deletes an item: it is answered no more."""
        self._send(calls.delete_item(item_id))

    def features(self, service: str, keys: Mapping[str, Sequence[str]]) -> FeatureAnswer:
        """Feast's features of some keys."""
        return self._send(calls.features(service, keys))

    def events(self, batch: Sequence[Event]) -> EventsTaken:
        """Reports events; returns once they are on the service's disk.

        Where the answer to a first try was lost, `new` counts none of what that try had brought.
        """
        return self._send(calls.events(batch))

    def undo(self, event_id: str) -> None:
        """Undoes an event, as if it had never been."""
        self._send(calls.undo(event_id))

    def ready(self) -> Readiness:
        """Says which model answers."""
        return self._send(calls.ready())

    def close(self) -> None:
        """Lets go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """The client, closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets go of the connections."""
        self.close()

    def _send(self, call: Call[AnswerT]) -> AnswerT:
        def once() -> httpx.Response:
            return require_answer(self._http.send(call.request(self._http)))

        with service_errors(self._policy):
            response = Retrying(**self._policy.options())(once)
        return call.read(response)


class AsyncClient:
    """Asks the service without holding up other tasks; see `Client`.

    Args and errors are those of `Client`.
    """

    def __init__(
        self,
        url: str = _URL,
        key: str | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
        patience: float = 60.0,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, headers=_headers(key))
        self._policy = Policy(attempts, patience)

    async def recommendations(
        self,
        user_id: str,
        *,
        k: int = 20,
        diversity: float = 0.0,
        new_places: int = 0,
        category: OneOrSeveral = None,
        exclude: Sequence[str] = (),
        exclude_seen: bool = True,
        after: str | None = None,
    ) -> Recommendations:
        """The best items for a user; `after` of an answer asks for its next page."""
        call = calls.recommendations(
            user_id, k, diversity, new_places, category, exclude, exclude_seen, after
        )
        return await self._send(call)

    async def guest_recommendations(self, asked: RecommendationRequest) -> Recommendations:
        """The best items for someone without an account."""
        return await self._send(calls.guest_recommendations(asked))

    async def rank(self, items: Sequence[str], user_id: str | None = None) -> Recommendations:
        """The app's own candidates in order."""
        return await self._send(calls.rank(user_id, items))

    async def items(
        self,
        sort: str = "popular",
        *,
        category: OneOrSeveral = None,
        exclude: Sequence[str] = (),
        k: int = 20,
        offset: int = 0,
        after: str | None = None,
    ) -> ItemList:
        """A list for everyone: popular, trending or latest."""
        return await self._send(calls.items(sort, category, exclude, k, offset, after))

    async def item(self, item_id: str) -> ItemFacts:
        """What is known of one item."""
        return await self._send(calls.item(item_id))

    async def similar(
        self,
        item_id: str,
        *,
        k: int = 20,
        modality: str | None = None,
        category: OneOrSeveral = None,
        exclude: Sequence[str] = (),
    ) -> Found:
        """Items that are near, in what they are or in one modality of it."""
        return await self._send(calls.similar(item_id, k, modality, category, exclude))

    async def search(
        self, asked: SearchRequest, *, image: bytes | None = None, audio: bytes | None = None
    ) -> Found:
        """Items that are near to what was typed, and to a picture and a sound given as files."""
        return await self._send(calls.search(asked, image, audio))

    async def put_item(
        self, item_id: str, description: ItemDescription, *, only_new: bool = False
    ) -> ItemStored:
        """Puts an item into the catalogue, or describes it again; it is in force at once."""
        return await self._send(calls.put_item(item_id, description, only_new))

    async def put_media(self, item_id: str, modality: str, file: bytes) -> ItemStored:
        """Gives an item its picture (image) or sound (audio)."""
        return await self._send(calls.put_media(item_id, modality, file))

    async def delete_item(self, item_id: str) -> None:
        """Deletes an item: it is answered no more."""
        await self._send(calls.delete_item(item_id))

    async def features(self, service: str, keys: Mapping[str, Sequence[str]]) -> FeatureAnswer:
        """Feast's features of some keys."""
        return await self._send(calls.features(service, keys))

    async def events(self, batch: Sequence[Event]) -> EventsTaken:
        """Reports events; returns once they are on the service's disk.

        Where the answer to a first try was lost, `new` counts none of what that try had brought.
        """
        return await self._send(calls.events(batch))

    async def undo(self, event_id: str) -> None:
        """Undoes an event, as if it had never been."""
        await self._send(calls.undo(event_id))

    async def ready(self) -> Readiness:
        """Says which model answers."""
        return await self._send(calls.ready())

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """The client, closed at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets go of the connections."""
        await self.close()

    async def _send(self, call: Call[AnswerT]) -> AnswerT:
        async def once() -> httpx.Response:
            return require_answer(await self._http.send(call.request(self._http)))

        with service_errors(self._policy):
            retrying = AsyncRetrying(**self._policy.options())
            response: httpx.Response = await retrying(once)
        return call.read(response)


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}
