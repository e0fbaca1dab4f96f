"""Ids in a path: what cannot be said is refused, and nothing else is changed in its place."""

import asyncio
from urllib.parse import quote, quote_from_bytes, unquote

import pytest
from fastapi.testclient import TestClient
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from serving.paths import PlainPaths, slashes_of_ids
from serving.schemas import ItemId, UserId


def deleted_by(raw_path: str) -> tuple[int, list[str]]:
    """The status of a request to delete, and the ids of what was deleted."""
    said: list[Message] = []
    deleted: list[str] = []

    async def delete(request: Request) -> Response:
        deleted.append(slashes_of_ids(request.path_params)["item_id"])
        return Response()

    async def nothing() -> Message:
        return {"type": "http.request"}

    async def say(message: Message) -> None:
        said.append(message)

    # As Uvicorn says it; Starlette's client would decode the path twice.
    scope = {
        "type": "http",
        "method": "DELETE",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii"),
        "query_string": b"",
        "headers": [],
    }
    routes = [Route("/v1/items/{item_id:path}", delete, methods=["DELETE"])]
    asyncio.run(PlainPaths(Starlette(routes=routes))(scope, nothing, say))
    return said[0]["status"], deleted


@given(st.binary(min_size=1, max_size=12))
@example(b"nlitem\n")
@example(b"\xfe")
@example("a\u2028b".encode())
@example(b"a/../b")
@example(b"%0a")
def test_what_is_asked_for_is_what_is_meant_or_nothing(sent: bytes) -> None:
    status, deleted = deleted_by(f"/v1/items/{quote_from_bytes(sent, safe='')}")
    if status == 200:
        assert [one.encode() for one in deleted] == [sent]
    else:
        assert status == 422 and not deleted


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20))
@example("a b/c?d#e%41")
@example("...")
@example("Äpfel 🍏")
def test_every_other_id_can_be_said(item_id: str) -> None:
    assume(not {".", ".."} & set(item_id.split("/")))
    assert deleted_by(f"/v1/items/{quote(item_id, safe='')}") == (200, [item_id])


@pytest.mark.parametrize("raw", ["%zz", "a%", "a%4", "%2", "a%%20"])
def test_half_an_escape_is_refused(raw: str) -> None:
    assert deleted_by(f"/v1/items/{raw}") == (422, [])


@pytest.mark.parametrize("text", [".", "..", "a/../b", "./a", "a/.", "a\n", "\u2029", ""])
def test_bodies_and_paths_have_one_rule(text: str) -> None:
    for kind in (ItemId, UserId):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(text)


@pytest.mark.slow
@pytest.mark.parametrize("item_id", ["a/similar", "a/media/image", "a/b", "/", "similar"])
def test_an_item_whose_id_ends_like_a_route_is_that_item(client: TestClient, item_id: str) -> None:
    path = f"/v1/items/{quote(item_id, safe='')}"
    assert client.put(path, json={"title": "A lighthouse"}).status_code == 201
    assert client.get(path).json()["item_id"] == item_id
    assert client.get(f"{path}/similar").status_code == 200
    assert client.get(f"{path}/media/image").status_code == 404
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [
        ("PUT", "/v1/items/new/similar", "GET"),
        ("DELETE", "/v1/items/new/similar", "GET"),
        ("DELETE", "/v1/items/new/media/image", "GET"),
    ],
)
def test_a_slip_in_a_path_makes_and_deletes_nothing(
    asking: TestClient, method: str, path: str, takes: str
) -> None:
    answer = asking.request(method, path, json={"title": "x"} if method == "PUT" else None)
    assert answer.status_code == 405, answer.text
    assert takes in answer.headers["allow"] and method not in answer.headers["allow"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "bad", ["nlitem%0a", "%FE", "%FF", "%C3", "%2e", "%2e%2e", "a/%2e/b", "a%7f"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/items/{}"),
        ("PUT", "/v1/items/{}"),
        ("GET", "/v1/items/{}"),
        ("GET", "/v1/items/{}/similar"),
        ("GET", "/v1/items/{}/media/image"),
        ("PUT", "/v1/items/{}/media/image"),
        ("GET", "/v1/users/{}/recommendations"),
        ("GET", "/v1/features/recommendations/{}"),
    ],
)
def test_every_route_with_an_id_refuses_it(
    asking: TestClient, method: str, path: str, bad: str
) -> None:
    # Written out, dot segments never leave httpx, nor a browser.
    asked = asking.build_request(method, "/")
    asked.url = asked.url.copy_with(raw_path=path.format(bad).encode())
    answer = asking.send(asked)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "path"
