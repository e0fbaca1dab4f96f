"""Settings: the environment first, then what the home remembers, then defaults."""

import pickle
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from crossmodal.settings import (
    RememberedSourceError,
    load_settings,
    remember_source,
    unread_variables,
    without_secrets,
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path / "home"))


def test_the_environment_wins_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_SEED", "7")
    assert load_settings().seed == 7


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CROSSMODAL_SAMPLE_USERS=33\n")
    assert load_settings().sample_users == 33


def test_the_last_source_of_a_home_is_the_default_of_the_next_command(tmp_path: Path) -> None:
    remember_source(load_settings(source="movielens", source_path=tmp_path))
    again = load_settings()
    assert (again.source, again.source_path) == ("movielens", tmp_path)
    assert load_settings(source="sample").source == "sample"


def test_a_copied_home_reads_the_mapping_that_lies_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    for inside, mapping in ((True, home / "own" / "shop.yaml"), (False, tmp_path / "shop.yaml")):
        mapping.parent.mkdir(parents=True, exist_ok=True)
        mapping.write_text("tables: []")
        remember_source(load_settings(source="tables", source_path=mapping))
        assert load_settings().source_path == mapping
        shutil.copytree(home, copy, dirs_exist_ok=True)
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("CROSSMODAL_HOME", str(copy))
            own = copy / "own" / "shop.yaml" if inside else mapping
            assert load_settings().source_path == own


def test_the_environment_wins_over_the_remembered_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_source(load_settings(source="movielens", source_path=tmp_path))
    monkeypatch.setenv("CROSSMODAL_SOURCE", "sample")
    assert load_settings().source == "sample"


@pytest.mark.parametrize("content", ["", "x", "[]", '{"source": 5}'])
def test_a_damaged_memory_of_the_source_is_named_with_the_way_out(
    tmp_path: Path, content: str
) -> None:
    remember_source(load_settings(source="sample"))
    (tmp_path / "home" / "source.json").write_text(content)
    with pytest.raises(RememberedSourceError, match=r"source\.json cannot be read: delete it"):
        load_settings()
    assert load_settings(source="sample").source == "sample"


@pytest.mark.parametrize("value", ["2015", "20150101", " 1420070400 "])
def test_a_number_alone_is_no_instant(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("EARLIEST", "LATEST"):
        with monkeypatch.context() as given:
            given.setenv(f"CROSSMODAL_{name}_EVENT", value)
            with pytest.raises(ValidationError, match="give a date such as 2015-01-01"):
                load_settings()


def test_an_end_before_the_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_EARLIEST_EVENT", "2020-01-01")
    monkeypatch.setenv("CROSSMODAL_LATEST_EVENT", "2019-01-01")
    with pytest.raises(ValidationError, match=r"LATEST_EVENT=2019.* is before"):
        load_settings()


def test_a_wrong_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_MAX_REJECT_SHARE", "2")
    with pytest.raises(ValidationError, match="max_reject_share"):
        load_settings()


def test_the_pseudonym_key_never_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_ID_KEY", "very-secret")
    settings = load_settings()
    assert "very-secret" not in repr(settings) + settings.model_dump_json()


def test_other_machines_see_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_ID_KEY", "very-secret")
    monkeypatch.setenv("CROSSMODAL_ALERT_WEBHOOK_URL", "https://example.org/very-secret")
    settings = load_settings()
    shown = without_secrets(settings)
    assert b"very-secret" in pickle.dumps(settings)
    assert b"very-secret" not in pickle.dumps(shown)
    assert shown.home == settings.home


def test_a_variable_that_nothing_reads_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CROSSMODAL_SAMPEL_USERS=33\nOTHER=1\n")
    monkeypatch.setenv("CROSSMODAL_SEEDS", "7")
    monkeypatch.setenv("crossmodal_device", "cpu")
    assert unread_variables() == ("CROSSMODAL_SAMPEL_USERS", "CROSSMODAL_SEEDS")
