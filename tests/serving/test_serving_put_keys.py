"""A put whose answer was lost: sent again it is known by its key, and another app's is not."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from serving.client import AsyncClient, Client, ServiceError
from serving.schemas import ItemDescription

pytestmark = pytest.mark.slow
STORY = {"title": "A lighthouse", "text": "Drowned sailors sing below it."}
ONLY_NEW = {"If-None-Match": "*"}


@contextmanager
def losing_first_answers(url: str) -> Iterator[str]:
    """A proxy that passes every request on, and loses the first answer of each item."""
    lost: set[str] = set()

    class Lossy(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            """Passes on, and answers the second time."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = httpx.put(url + self.path, content=body, headers=dict(self.headers))
            if self.path not in lost:
                lost.add(self.path)
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Lossy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_lost_answer_makes_no_conflict_and_another_app_still_has_one(url: str) -> None:
    told = ItemDescription.model_validate(STORY)
    with losing_first_answers(url) as lossy, Client(lossy) as one, Client(url) as other:
        assert one.put_item("lost/1", told, only_new=True).created
        # Word for word the same, but of another app: the item was not made by it.
        with pytest.raises(ServiceError, match="already") as refused:
            other.put_item("lost/1", told, only_new=True)
        assert refused.value.status == 409
        with pytest.raises(ServiceError, match="already"):
            one.put_item("lost/1", told, only_new=True)
        assert one.put_item("lost/2", told).created, "also where it need not be new"
        assert not one.put_item("lost/2", told).created

        async def asked() -> bool:
            async with AsyncClient(lossy) as waiting:
                return (await waiting.put_item("lost/3", told, only_new=True)).created

        assert asyncio.run(asked())


def test_a_put_that_is_sent_again_changes_nothing(client: TestClient) -> None:
    def put(key: str, headers: dict[str, str] | None = None, **change: object) -> Any:
        sent = {"Idempotency-Key": key, **(headers or {})}
        return client.put("/v1/items/new", json={**STORY, **change}, headers=sent)

    def title() -> str:
        found = client.post("/v1/search", json={"text": STORY["text"], "k": 1}).json()
        return str(found["items"][0]["title"])

    first = put("a", ONLY_NEW)
    again = put("a", ONLY_NEW)
    assert (first.status_code, again.status_code) == (201, 201) and first.json() == again.json()
    assert put("b", ONLY_NEW).status_code == 409
    assert put("b", title="The tower").status_code == 200
    assert put("a", ONLY_NEW).status_code == 201 and title() == "The tower"
    differs = put("a", ONLY_NEW, title="Another")
    assert differs.status_code == 422 and title() == "The tower"
    (error,) = differs.json()["errors"]
    assert error["field"] == "header.idempotency-key" and "another key" in error["message"]
    elsewhere = client.put("/v1/items/new2", json=STORY, headers={"Idempotency-Key": "a"})
    assert elsewhere.status_code == 201, "keys are of an item"


def test_a_put_that_is_sent_again_brings_no_deleted_item_back(client: TestClient) -> None:
    key = {"Idempotency-Key": "a"}
    assert client.put("/v1/items/gone", json=STORY, headers=key).status_code == 201
    assert client.delete("/v1/items/gone").status_code == 204
    assert client.put("/v1/items/gone", json=STORY, headers=key).status_code == 201
    assert client.get("/v1/items/gone/similar").status_code == 404
