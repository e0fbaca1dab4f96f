"""The two stores of a home: applied, materialized, swapped, compared."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from feature_lake import INSTANT, NOW, copy_home, lists  # type: ignore[import-not-found]

from crossmodal.lake import Lake, TableMissingError
from crossmodal.paths import StatePaths
from feature_repo.catalogue import ONLINE_VIEWS
from feature_repo.consistency import consistency
from feature_repo.home_repo import definitions_version
from feature_repo.materialize import materialize_fresh, online_stamp
from feature_repo.store import (
    KeyTypeError,
    NotAppliedError,
    apply_definitions,
    historical,
    online,
    open_store,
)

pytestmark = pytest.mark.slow


def test_applying_twice_changes_nothing(filled: StatePaths) -> None:
    before = filled.registry.read_bytes()
    assert apply_definitions(filled) is False
    assert filled.registry.read_bytes() == before
    assert definitions_version() == definitions_version()


def test_a_copied_home_reads_its_own_tables(filled: StatePaths, changeable: StatePaths) -> None:
    from feature_repo.catalogue import table_path

    views = open_store(changeable).list_feature_views()
    assert {table_path(view).parent for view in views} == {changeable.lake}
    keys = {"user_id": ["u0", "u7"], "item_id": ["i0", "i39"]}
    assert online(changeable, keys, "retrieval") == online(filled, keys, "retrieval")


def test_applying_forgets_what_is_no_longer_defined(changeable: StatePaths) -> None:
    from feast import FeatureService

    paths = changeable
    store = open_store(paths)
    store.apply([FeatureService(name="old", features=[store.get_feature_view("item_statistics")])])
    (paths.feast / "applied").write_text("older definitions")
    assert apply_definitions(paths) is True
    names = {service.name for service in open_store(paths).list_feature_services()}
    assert names == {"ranking", "retrieval", "recommendations"}


def test_everything_registered_is_described_and_owned(filled: StatePaths) -> None:
    store = open_store(filled)
    views = store.list_feature_views()
    described: list[Any] = [*store.list_entities(), *store.list_data_sources(), *views]
    for each in [*described, *store.list_feature_services()]:
        assert each.description, each.name
        assert each.owner, each.name
        assert each.tags, each.name
    for view in views:
        assert view.ttl
        assert all(feature.description for feature in view.features)
    sources: list[Any] = store.list_data_sources()
    tables = [getattr(source, "batch_source", source) for source in sources]
    assert {Path(table.path).parent for table in tables} == {filled.lake}


def test_online_equals_offline_for_every_key(filled: StatePaths) -> None:
    report = consistency(filled, ONLINE_VIEWS, as_of=NOW, n_keys=200, seed=1)
    assert report.keys == {"item_id": 40, "user_id": 31}
    assert report.agrees, report.disagreements


def test_a_changed_table_is_found_inconsistent_until_materialized(changeable: StatePaths) -> None:
    paths = changeable
    Lake(paths.lake).write("user_recommendations", lists(["u1", "u2"], "second"), {})
    report = consistency(paths, ONLINE_VIEWS, as_of=NOW, shown=1000)
    assert {each.feature for each in report.disagreements} >= {
        "user_recommendations__model_version"
    }
    counts = materialize_fresh(paths, ["user_recommendations"], NOW, keep_existing=True)
    assert counts["user_recommendations"] == 2
    assert counts["item_text_embedding"] == 39
    assert consistency(paths, ONLINE_VIEWS, as_of=NOW).agrees


def test_every_view_has_its_interval_however_the_store_was_filled(
    unmaterialized: StatePaths,
) -> None:
    paths = unmaterialized
    apply_definitions(paths)
    features = [name for name in ONLINE_VIEWS if name != "user_recommendations"]
    materialize_fresh(paths, features, NOW)
    materialize_fresh(paths, ["user_recommendations"], NOW, keep_existing=True)
    ends = {view.name: view.most_recent_end_time for view in open_store(paths).list_feature_views()}
    assert {name: ends[name] for name in ONLINE_VIEWS} == dict.fromkeys(ONLINE_VIEWS, NOW)


def test_unknown_keys_and_absent_modalities_are_null(filled: StatePaths) -> None:
    answer = online(
        filled,
        {"item_id": ["i1", "i39", "nobody"]},
        ["item_text_embedding:text_embedding", "item_audio_embedding:audio_embedding"],
    )
    text = answer["item_text_embedding__text_embedding"]
    assert [value is None for value in text] == [False, True, True]
    assert answer["item_audio_embedding__audio_embedding"] == [None] * 3

    asked = pl.DataFrame({"item_id": ["i1", "i39"]}).with_columns(
        pl.lit(NOW).cast(INSTANT).alias("event_timestamp")
    )
    known = historical(
        filled, asked, ["item_audio_embedding:audio_embedding", "item_text_features:text_features"]
    )
    assert known["item_audio_embedding__audio_embedding"].null_count() == 2
    assert known["item_text_features__text_features"].dtype == pl.List(pl.Float32)


def test_keys_that_are_no_text_are_refused_in_the_same_words(filled: StatePaths) -> None:
    said = "Key 'item_id' must be text, as ids are in every table, and not int: "
    with pytest.raises(KeyTypeError, match=said):
        online(filled, {"item_id": ["i1", 2]}, ["item_statistics:item_n_events"])  # type: ignore[list-item]
    asked = pl.DataFrame({"item_id": [1, 2]}).with_columns(
        pl.lit(NOW).cast(INSTANT).alias("event_timestamp")
    )
    with pytest.raises(KeyTypeError, match=said):
        historical(filled, asked, ["item_statistics:item_n_events"])


@pytest.mark.parametrize("name", ["ranking", "retrieval", "recommendations"])
def test_every_service_is_read_under_short_names(filled: StatePaths, name: str) -> None:
    store = open_store(filled)
    service = store.get_feature_service(name)
    keys: dict[str, Any] = {"user_id": ["u1"]}
    if name != "recommendations":
        keys["item_id"] = ["i1"]
    known = online(filled, keys, name, store)
    answer = store.get_online_features(service, keys).to_dict()
    assert answer == {full.split("__")[-1]: values for full, values in known.items()}
    assert any(values != [None] for full, values in known.items() if "__" in full)


def test_the_newcomers_list_can_be_looked_up(filled: StatePaths) -> None:
    answer = online(filled, {"user_id": ["new_user"]}, "recommendations")
    assert answer["user_recommendations__item_ids"] == [["i1", "i2"]]
    assert answer["user_recommendations__generated_at"] == [NOW - timedelta(hours=1)]


def test_an_expired_list_is_not_materialized(changeable: StatePaths) -> None:
    paths = changeable
    later = NOW + timedelta(days=31)
    counts = materialize_fresh(paths, ["user_recommendations", "user_statistics"], later)
    assert counts["user_recommendations"] == 0
    assert counts["user_statistics"] == 30
    assert counts["item_text_embedding"] == 0


def test_works_of_any_age_are_in_both_stores(unmaterialized: StatePaths) -> None:
    paths = unmaterialized
    lake = Lake(paths.lake)
    years = [51 + 50 * place for place in range(39)]
    dated = pl.Series([datetime(year, 1, 1, tzinfo=UTC) for year in years], dtype=INSTANT)
    table = lake.read("text_embeddings").with_columns(event_timestamp=dated)
    lake.write("text_embeddings", table, {})
    apply_definitions(paths)
    counts = materialize_fresh(paths, ["item_text_embedding"], NOW)
    assert counts["item_text_embedding"] == 39
    old = ["item_text_embedding"]
    assert consistency(paths, old, as_of=NOW, n_keys=200).agrees
    asked = table.select("item_id", event_timestamp=pl.lit(NOW).cast(INSTANT))
    known = historical(paths, asked, ["item_text_embedding:text_embedding"])
    assert known["item_text_embedding__text_embedding"].null_count() == 0


def test_stamps_travel_with_the_online_file(unmaterialized: StatePaths) -> None:
    paths = unmaterialized
    assert online_stamp(paths) == {}
    apply_definitions(paths)
    materialize_fresh(paths, ["item_statistics"], NOW, stamp={"items": "1"})
    materialize_fresh(paths, ["user_statistics"], NOW, keep_existing=True, stamp={"users": "2"})
    assert online_stamp(paths) == {"items": "1", "users": "2"}
    materialize_fresh(paths, ["user_statistics"], NOW, stamp={"users": "3"})
    assert online_stamp(paths) == {"users": "3"}


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path)
    with pytest.raises(NotAppliedError, match="crossmodal run"):
        open_store(paths)
    apply_definitions(paths)
    with pytest.raises(TableMissingError, match="item_statistics"):
        materialize_fresh(paths, ["item_statistics"], NOW)
    with pytest.raises(ValueError, match="item_text_features"):
        materialize_fresh(paths, ["item_text_features"], NOW)
    assert not list(paths.feast.glob(".*.tmp"))


READER = """
import sys
from pathlib import Path
from crossmodal.paths import StatePaths
from feature_repo.store import online

paths = StatePaths(Path(sys.argv[1]))
keys = {"user_id": [f"u{index}" for index in range(30)]}
seen = set()
while "second" not in seen:
    answer = online(paths, keys, ["user_recommendations:model_version"])
    versions = set(answer["user_recommendations__model_version"])
    if len(versions) != 1:
        sys.exit(f"a reader saw a part: {versions}")
    if not seen:
        print("reading", flush=True)
    seen |= versions
sys.exit(0 if seen <= {"first", "second"} else f"a reader saw {seen}")
"""


def test_a_reader_sees_the_old_file_or_the_new_never_a_part(changeable: StatePaths) -> None:
    paths = changeable
    old = open_store(paths)
    keys = {"user_id": ["u0"]}
    feature = ["user_recommendations:model_version"]
    online(paths, keys, feature, old)
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(paths.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        for _ in range(3):
            materialize_fresh(paths, ["user_recommendations"], NOW, keep_existing=True)
        users = [f"u{index}" for index in range(30)]
        Lake(paths.lake).write("user_recommendations", lists(users, "second"), {})
        materialize_fresh(paths, ["user_recommendations"], NOW, keep_existing=True)
        _, errors = reader.communicate(timeout=120)
    assert reader.returncode == 0, errors
    assert online(paths, keys, feature, old)["user_recommendations__model_version"] == ["second"]


WRITER = """
import sys
from pathlib import Path
from crossmodal.paths import StatePaths
from feature_repo.materialize import materialize_fresh
from feature_repo.store import apply_definitions
from feature_lake import NOW

paths = StatePaths(Path(sys.argv[1]))
while True:
    (paths.feast / "applied").write_text("older definitions")
    apply_definitions(paths)
    print("applied", flush=True)
    materialize_fresh(paths, None, NOW)
    print("materialized", flush=True)
"""


def kill_writer(paths: StatePaths, after: str) -> None:
    """Starts a process that writes for ever and kills it when it has said `after`."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(paths.home)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    ) as writer:
        assert writer.stdout is not None
        said = f"{after}\n" in iter(writer.stdout.readline, "")
        writer.kill()
    assert said, f"the writer ended before it said {after!r}"


@pytest.mark.faults
def test_a_killed_writer_leaves_stores_that_agree(filled: StatePaths, tmp_path: Path) -> None:
    moments = ("applied", "materialized")
    homes = [copy_home(filled, tmp_path / moment) for moment in moments]
    with ThreadPoolExecutor(len(homes)) as pool:
        list(pool.map(kill_writer, homes, moments))
    for paths in homes:
        assert consistency(paths, ONLINE_VIEWS, as_of=NOW).agrees
        materialize_fresh(paths, None, NOW)
        assert consistency(paths, ONLINE_VIEWS, as_of=NOW).agrees
