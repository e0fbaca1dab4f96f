"""Pseudonyms: keyed, stable, and never the raw id."""

import hashlib
import hmac
import json
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import (
    PseudonymKeyError,
    key_identity,
    load_key,
    make_key,
    pseudonym,
    pseudonymize,
)
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.lookup import LookupFailedError, features_of, recommendations_of
from serving.server import serve


def test_pseudonym_is_hmac_sha256() -> None:
    expected = hmac.new(b"key", b"17", hashlib.sha256).hexdigest()
    assert pseudonym("17", b"key") == expected


@given(st.lists(st.text(min_size=1, max_size=5), max_size=30))
def test_pseudonymize_agrees_with_one_by_one_and_keeps_order(raw: list[str]) -> None:
    frame = pl.DataFrame({"n": range(len(raw)), "user_id": pl.Series(raw, dtype=pl.String)})
    named = pseudonymize(frame, b"key")
    assert named.columns == ["n", "user_id"]
    assert named["n"].to_list() == list(range(len(raw)))
    assert named["user_id"].to_list() == [pseudonym(value, b"key") for value in raw]


def test_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "home" / "id.key"
    make_key(file)
    key = load_key(None, file)
    make_key(file)
    assert load_key(None, file) == key
    assert len(key) == 64
    if os.name != "nt":
        assert file.stat().st_mode & 0o777 == 0o600


def test_configured_key_comes_first_and_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "id.key"
    assert load_key("secret", file) == b"secret"
    assert not file.exists()


def test_empty_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PseudonymKeyError, match="CROSSMODAL_ID_KEY"):
        load_key("  ", tmp_path / "id.key")
    (tmp_path / "id.key").write_bytes(b"")
    with pytest.raises(PseudonymKeyError, match=r"id\.key"):
        load_key(None, tmp_path / "id.key")


@pytest.mark.parametrize("held", ["lake/staged_interactions.parquet", "serving/events.db"])
def test_a_home_with_users_gets_no_other_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    monkeypatch.delenv("CROSSMODAL_ID_KEY", raising=False)
    settings = Settings(home=tmp_path)
    key = Workspace(settings).id_key()
    (tmp_path / held).parent.mkdir(parents=True)
    (tmp_path / held).touch()
    assert Workspace(settings).id_key() == key
    (tmp_path / "id.key").unlink()
    for refused in (Workspace(settings).id_key, lambda: serve(settings, print)):
        with pytest.raises(PseudonymKeyError, match=r"no .*id\.key.*CROSSMODAL_ID_KEY"):
            refused()
    assert not (tmp_path / "id.key").exists()
    configured = settings.model_copy(update={"id_key": SecretStr("k")})
    assert Workspace(configured).id_key() == b"k"


def test_a_look_up_makes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSMODAL_ID_KEY", raising=False)
    paths = StatePaths(tmp_path)
    paths.online_store.parent.mkdir(parents=True)
    paths.online_store.touch()
    for look_up in (
        lambda: recommendations_of(Settings(home=tmp_path), "ada"),
        lambda: features_of(Settings(home=tmp_path), "user", "ada"),
    ):
        with pytest.raises(LookupFailedError, match=r"id\.key"):
            look_up()
    assert not paths.id_key.exists()


def test_users_are_not_looked_up_by_another_key_than_named_them(tmp_path: Path) -> None:
    named = Workspace(Settings(home=tmp_path, id_key=SecretStr("first")))
    stamp = {"choice:key_identity": json.dumps(key_identity(named.id_key()))}
    named.lake.write("staged_interactions", pl.DataFrame({"user_id": ["u"]}), stamp)
    assert named.key_of_users() == b"first"
    other = Workspace(Settings(home=tmp_path, id_key=SecretStr("second")))
    assert other.id_key() == b"second", "a run may give them new names"
    with pytest.raises(PseudonymKeyError, match=r"named by another key .* `crossmodal run`"):
        other.key_of_users()
