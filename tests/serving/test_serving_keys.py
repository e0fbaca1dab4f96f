"""Keys: what their holders may do, and what others may not."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from crossmodal.settings import Settings
from orchestration.cli import app as command
from serving.app import create_app
from serving.keys import KeyFileError, KeyNameError, KeyRing
from serving.server import AddressError, serve


def test_a_key_is_kept_as_a_hash_and_known_until_it_is_revoked(tmp_path: Path) -> None:
    ring, other = KeyRing(tmp_path / "keys.json"), KeyRing(tmp_path / "keys.json")
    token = ring.add("shop", ["events", "read"])
    assert token.split(".")[2] not in (tmp_path / "keys.json").read_text()
    held = other.holder(token)
    assert held is not None and held.scopes == ("read", "events")
    assert held.allows("read") and not held.allows("admin")
    for wrong in (
        "",
        token[:-1],
        token + "x",
        token.replace("cm.", "xx."),
        "cm.shop.",
        "cm.nobody.x",
    ):
        assert other.holder(wrong) is None
    with pytest.raises(KeyNameError, match="shop"):
        other.add("shop", ["read"])
    with pytest.raises(KeyNameError, match="letters"):
        other.add("../shop", ["read"])
    other.revoke("shop")
    assert ring.holder(token) is None and ring.all() == ()


@pytest.mark.slow
def test_routes_ask_for_their_scope_once_there_is_a_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", id_key="a key for tests")
    ring = KeyRing(tmp_path / "home" / "serving" / "keys.json")
    with TestClient(create_app(settings)) as client:
        assert client.get("/v1/items").status_code == 503, "open, and nothing to answer with"
        tokens = {scope: ring.add(scope, [scope]) for scope in ("read", "events", "admin")}

        def status(path: str, scope: str | None, method: str = "GET") -> int:
            headers = {} if scope is None else {"Authorization": f"Bearer {tokens[scope]}"}
            return client.request(method, path, headers=headers).status_code

        refused = client.get("/v1/items")
        assert refused.status_code == 401 and refused.headers["WWW-Authenticate"] == "Bearer"
        assert status("/v1/items", "events") == 403 and status("/v1/items", "read") == 503
        assert status("/v1/events", "read", "POST") == 403
        assert status("/v1/events", "events", "POST") in (422, 503)
        assert status("/metrics", "read") == 403 and status("/metrics", "admin") == 200
        assert status("/v1/items", "admin") == 503
        assert status("/healthz", None) == 200 and status("/readyz", None) == 503
        for scope in ("read", "events", "admin"):
            ring.revoke(scope)
            assert status("/v1/items", scope) == 401, "no key at all lets nobody in"
        (tmp_path / "home" / "serving" / "keys.json").write_text("{")
        assert status("/v1/items", "admin") == 503


@pytest.mark.parametrize("content", ["", "{", "{}", "null", '[{"name": "shop"}]', "[[]]"])
def test_a_damaged_file_of_keys_is_never_a_file_without_keys(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(KeyFileError, match="keys"):
        KeyRing(path).required()
    path.unlink()
    path.mkdir()
    with pytest.raises(KeyFileError, match="keys"):
        KeyRing(path).required()


@pytest.mark.slow
def test_damaged_keys_are_the_operators_to_see(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(home=tmp_path / "home", id_key="a key for tests")
    path = tmp_path / "home" / "serving" / "keys.json"
    token = KeyRing(path).add("shop", ["admin"])
    with TestClient(create_app(settings)) as client:
        good = path.read_bytes()
        path.write_text("{")
        for headers in ({}, {"Authorization": f"Bearer {token}"}):
            for place in ("/v1/items", "/metrics"):
                refused = client.get(place, headers=headers)
                assert refused.status_code == 503 and "Retry-After" in refused.headers
                assert refused.headers["content-type"] == "application/problem+json"
                assert str(tmp_path) not in refused.text and "keys.json" not in refused.text
        lines = [one.getMessage() for one in caplog.records if "keys.json" in one.getMessage()]
        assert len(lines) == 1 and str(path) in lines[0] and "backup" in lines[0]
        path.write_bytes(good)
        held = {"Authorization": f"Bearer {token}"}
        assert client.get("/metrics", headers=held).status_code == 200


def test_without_a_key_only_this_machine_is_listened_to(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "example.org", "192.168.1.7"):
        settings = Settings(home=tmp_path / "home", serve_host=host)
        with pytest.raises(AddressError, match="keys add"):
            serve(settings, print)


def test_the_operator_makes_lists_and_revokes_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path / "home"))
    run = CliRunner()
    made = run.invoke(command, ["keys", "add", "shop", "--scope", "read", "--scope", "events"])
    token = made.stdout.strip()
    ring = KeyRing(tmp_path / "home" / "serving" / "keys.json")
    assert made.exit_code == 0 and ring.holder(token) is not None
    listed = run.invoke(command, ["keys", "list"]).stdout
    assert listed.startswith("shop  read,events  ") and token.split(".")[2] not in listed
    assert run.invoke(command, ["keys", "add", "shop", "--scope", "read"]).exit_code == 1
    assert run.invoke(command, ["keys", "revoke", "shop"]).exit_code == 0
    assert ring.holder(token) is None
    assert run.invoke(command, ["keys", "revoke", "shop"]).exit_code == 1
