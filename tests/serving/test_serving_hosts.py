"""Names that the service is asked by: a page elsewhere cannot reach it by a name of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from crossmodal.settings import Settings
from serving.app import create_app
from serving.hosts import AllowedHosts
from serving.keys import KeyRing

PROBLEM = "application/problem+json"


def asked_as(
    host: str, *, names: tuple[str, ...] = (), keyed: bool = False, path: str = "/"
) -> int:
    app = FastAPI()
    for route in ("/", "/healthz", "/readyz", "/metrics", "/v1/items"):
        app.get(route)(lambda: "here")
    app.add_middleware(AllowedHosts, address="192.168.1.7", names=names, keyed=lambda: keyed)
    return TestClient(app).get(path, headers={"Host": host}).status_code


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1",
        "127.0.0.2:1",
        "[::1]:8000",
        "app.localhost",
        "192.168.1.7:80",
    ],
)
def test_names_of_this_machine_are_always_its_own(host: str) -> None:
    assert asked_as(host) == 200
    assert asked_as(host, names=("shop.example",), keyed=True) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost:8000:evil.example",
        "localhost@evil.example",
        "10.0.0.1",
        "[::2]",
        "",
        "localhost,evil.example",
    ],
)
def test_any_other_name_is_refused_where_nobody_needs_a_key(host: str) -> None:
    assert asked_as(host) == 400
    assert asked_as(host, path="/healthz") == 400


def test_the_operator_names_others() -> None:
    names = ("shop.example", "*.shop.example")
    for keyed in (False, True):
        assert asked_as("Shop.Example:443", names=names, keyed=keyed) == 200
        assert asked_as("shop.example.", names=names, keyed=keyed) == 200
        assert asked_as("a.shop.example", names=names, keyed=keyed) == 200
        assert asked_as("badshop.example", names=names, keyed=keyed) == 400
    assert asked_as("anything.example", names=("*",)) == 200


def test_with_keys_any_name_will_do_until_the_operator_names_some() -> None:
    assert asked_as("10.0.0.7", keyed=True) == 200
    assert asked_as("10.0.0.7", names=("shop.example",), keyed=True) == 400
    for probe in ("/healthz", "/readyz", "/metrics"):
        assert asked_as("evil.example", names=("shop.example",), path=probe) == 400
        assert asked_as("10.0.0.7", names=("shop.example",), keyed=True, path=probe) == 200


@pytest.fixture(scope="module")
def unkeyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    home = tmp_path_factory.mktemp("hosts") / "home"
    settings = Settings(home=home, id_key="a key for tests", serve_allowed_hosts=())
    with TestClient(create_app(settings), base_url="http://localhost:8000") as client:
        yield client


@pytest.mark.slow
def test_a_page_elsewhere_cannot_have_a_keyless_service_answer(unkeyed: TestClient) -> None:
    event = {"event_id": "1", "user_id": "ada", "item_id": "item-00001", "type": "like"}
    for method, path in (("GET", "/"), ("GET", "/v1/items"), ("POST", "/v1/events")):
        evil = {"Host": "evil.example"}
        refused = unkeyed.request(method, path, headers=evil, json=event)
        assert refused.status_code == 400 and refused.headers["content-type"] == PROBLEM
        assert "evil.example" in refused.json()["detail"]
        assert "CROSSMODAL_SERVE_ALLOWED_HOSTS" in refused.json()["detail"]
        assert unkeyed.request(method, path, json=event).status_code != 400


@pytest.mark.slow
def test_nobody_is_sent_to_the_name_they_came_by(unkeyed: TestClient, tmp_path: Path) -> None:
    for path in ("/healthz/", "/page", "/v1/items/", "/docs/"):
        assert not unkeyed.get(path, follow_redirects=False).has_redirect_location
    ring = KeyRing(tmp_path / "home" / "serving" / "keys.json")
    ring.add("shop", ["read"])
    settings = Settings(home=tmp_path / "home", id_key="a key for tests", serve_allowed_hosts=())
    with TestClient(create_app(settings), base_url="http://evil.example") as keyed:
        assert keyed.get("/v1/items").status_code == 401
        assert keyed.get("/healthz/", follow_redirects=False).status_code == 404
