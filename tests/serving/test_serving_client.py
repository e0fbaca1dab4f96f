"""The clients against a server on a real port: typed answers, errors with fields, retries."""

import asyncio
import inspect
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from test_serving_catalogue import picture

from crossmodal.settings import Settings
from serving.app import create_app
from serving.client import AsyncClient, Client, ServiceError
from serving.schemas import (
    Event,
    ItemDescription,
    PastEvent,
    RecommendationRequest,
    SearchRequest,
)


class Moody(BaseHTTPRequestHandler):
    """Answers 503 twice, then a little of what it was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Answers."""
        self.asked.append(self.path)
        body = b'{"status": "ready", "model_version": "m"}'
        self.send_response(503 if len(self.asked) < 3 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.mark.slow
def test_both_clients_give_the_same_typed_answers(url: str) -> None:
    with Client(url) as client:
        first = client.items(k=3).items[0].item_id
        name = "ada/lovelace 1"
        liked = Event(event_id="e1", user_id=name, item_id=first, type="like")
        assert client.events([liked]).new == 1 and client.events([liked]).new == 0
        assert client.item(first).title == client.items(k=1).items[0].title
        mine = client.recommendations(name, k=5)
        assert mine.known_user and first not in [item.item_id for item in mine.items]
        history = [PastEvent(item_id=first)]
        assert client.guest_recommendations(RecommendationRequest(history=history)).items
        assert client.rank([first], name).items[0].item_id == first
        found = client.search(SearchRequest(text="a haunted house"))
        near = client.similar(first, modality="text").items
        assert near[0].cosines.keys() == {"text"}
        others = client.similar(first, modality="text", exclude=[near[0].item_id]).items
        assert others[0].item_id == near[1].item_id
        assert first not in [item.item_id for item in client.items(exclude=[first]).items]
        known = client.features("recommendations", {"user_id": ["new_user"]})
        assert known.columns["user_id"] == ["new_user"]
        with pytest.raises(ServiceError, match="no item") as refused:
            client.rank(["nothing"])
        assert refused.value.status == 404 and refused.value.errors[0].field == "body.items.0"

    async def asked() -> None:
        async with AsyncClient(url) as other:
            both = await asyncio.gather(
                other.recommendations(name, k=5),
                other.search(SearchRequest(text="a haunted house")),
            )
            assert both[0].items == mine.items and both[1] == found
            assert (await other.ready()).model_version == mine.model_version

    asyncio.run(asked())


@pytest.mark.slow
def test_both_clients_put_items_and_search_by_files(url: str) -> None:
    with Client(url) as client:
        told = ItemDescription(title="A lighthouse", text="Drowned sailors sing below it.")
        assert client.put_item("new/one", told, only_new=True).created
        with pytest.raises(ServiceError, match="already") as refused:
            client.put_item("new/one", told, only_new=True)
        assert refused.value.status == 409
        assert client.put_media("new/one", "image", picture()).media == ["image"]
        by_picture = SearchRequest(modalities=["image"], k=1)
        assert client.search(by_picture, image=picture()).items[0].item_id == "new/one"
        with pytest.raises(ServiceError, match="no picture") as refused:
            client.put_media("new/one", "image", b"no picture")
        assert refused.value.status == 415

    async def asked() -> None:
        async with AsyncClient(url) as other:
            shown = await other.search(SearchRequest(k=1), image=picture())
            assert shown.items[0].item_id == "new/one"
            await other.delete_item("new/one")
            assert (await other.put_item("new/one", told)).created
            assert not (await other.put_media("new/one", "image", picture())).created

    asyncio.run(asked())


def test_a_call_that_may_succeed_later_is_sent_again_and_not_for_ever() -> None:
    Moody.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Moody)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}"
    with Client(place, attempts=2) as impatient, pytest.raises(ServiceError) as refused:
        impatient.ready()
    assert refused.value.status == 503 and len(Moody.asked) == 2
    with Client(place) as client:
        assert client.ready().model_version == "m"
    server.shutdown()
    server.server_close()
    with Client(place, attempts=2) as client, pytest.raises(httpx.ConnectError):
        client.ready()


ASKED_BY_QUERY = {
    "recommendations": "/v1/users/{user_id}/recommendations",
    "items": "/v1/items",
    "similar": "/v1/items/{item_id}/similar",
}


@pytest.mark.parametrize("method", ASKED_BY_QUERY)
def test_the_clients_ask_for_all_that_a_route_takes(tmp_path: Path, method: str) -> None:
    described = create_app(Settings(home=tmp_path)).openapi()["paths"][ASKED_BY_QUERY[method]][
        "get"
    ]
    taken = {one["name"] for one in described["parameters"] if one["in"] == "query"}
    assert taken and taken <= set(inspect.signature(getattr(Client, method)).parameters)


def test_both_clients_take_the_same() -> None:
    own = {name for name in vars(Client) if not name.startswith("_")}
    assert own == {name for name in vars(AsyncClient) if not name.startswith("_")}
    for name in (*own, "__init__"):
        one, other = (inspect.signature(getattr(kind, name)) for kind in (Client, AsyncClient))
        assert one == other, name


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"attempts": 0}, "attempts is 0; a call takes at least one"),
        ({"patience": -1.0}, "patience is -1.0; give seconds"),
        ({"patience": float("nan")}, "patience is nan; give seconds"),
    ],
)
def test_a_client_that_would_never_ask_is_refused(given: dict[str, Any], says: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match=says):
            kind(**given)
