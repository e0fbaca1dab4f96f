"""Ids in a path: what cannot be said is refused, and nothing else is changed in its place."""

from urllib.parse import quote, quote_from_bytes

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from serving.paths import PlainPaths
from serving.schemas import ItemId, UserId


def deleting() -> tuple[TestClient, list[str]]:
    """A client of a service that deletes items, and the ids of those that it deleted."""
    app, deleted = FastAPI(redirect_slashes=False), []
    app.add_middleware(PlainPaths)

    @app.delete("/v1/items/{item_id:path}")
    def delete(item_id: str) -> None:
        deleted.append(item_id)

    return TestClient(app), deleted


@given(st.binary(min_size=1, max_size=12))
@example(b"nlitem\n")
@example(b"\xfe")
@example("a\u2028b".encode())
@example(b"a/../b")
def test_what_is_asked_for_is_what_is_meant_or_nothing(sent: bytes) -> None:
    client, deleted = deleting()
    answer = client.delete(f"http://testserver/v1/items/{quote_from_bytes(sent, safe='')}")
    if answer.status_code == 200:
        assert [one.encode() for one in deleted] == [sent]
    else:
        assert answer.status_code == 422 and not deleted
        assert answer.json()["errors"][0]["field"] == "path"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20))
@example("a b/c?d#e%41")
@example("...")
@example("Äpfel 🍏")
def test_every_other_id_can_be_said(item_id: str) -> None:
    client, deleted = deleting()
    if {".", ".."} & set(item_id.split("/")):
        return
    assert client.delete(f"/v1/items/{quote(item_id, safe='')}").status_code == 200
    assert deleted == [item_id]


@pytest.mark.parametrize("text", [".", "..", "a/../b", "./a", "a/.", "a\n", "\u2029", ""])
def test_bodies_and_paths_have_one_rule(text: str) -> None:
    for kind in (ItemId, UserId):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "bad", ["nlitem%0a", "%FE", "%FF", "%C3", ".", "%2e%2e", "a/%2e/b", "a%7f"]
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
    # httpx would take dot segments out, as browsers do.
    asked = asking.build_request(method, "/")
    asked.url = asked.url.copy_with(raw_path=path.format(bad).encode())
    answer = asking.send(asked)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "path"
