"""The platform from raw files to a list that an app looks up, through Dagster's own instance."""

import hashlib
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from small_platform import small_settings

from assets.ingestion import _reading_choices
from assets.source_listing import source_of
from assets.training import fitted_versions
from crossmodal.home_lock import HomeBusyError
from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import NEW_USER, pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from feature_repo.catalogue import ONLINE_VIEWS, VIEWS, table_path
from feature_repo.online_file import newest_values
from feature_repo.store import online
from models.assembly import matrix
from models.encoders.factory import load_text_encoder
from orchestration.definitions import build_definitions
from orchestration.finished import choices_in_force
from orchestration.instance import open_instance, sole_run
from orchestration.lookup import LookupFailedError, features_of, recommendations_of
from orchestration.report import collect_report, write_html
from orchestration.run import RunFailedError, RunSummary, run_pipeline

Finished = tuple[Settings, RunSummary]
pytestmark = pytest.mark.slow


def lake_of(settings: Settings) -> Lake:
    return Workspace(settings).lake


def test_a_first_run_makes_every_asset(finished: Finished) -> None:
    settings, summary = finished
    graph = build_definitions(Workspace(settings)).get_repository_def().asset_graph
    everything = {key.to_user_string() for key in graph.materializable_asset_keys}
    assert set(summary.made) == everything
    assert summary.encoded > 0
    assert summary.fitted > 0


def test_where_nothing_has_changed_nothing_is_made_and_only_the_source_is_read(
    copied: Settings,
) -> None:
    workspace = Workspace(copied)

    def runs() -> int:
        with open_instance(workspace.paths) as instance:
            return len(instance.get_runs())

    first = run_pipeline(copied)
    # Feast's registry holds absolute paths: a home that was moved needs a new one, and no more.
    assert first.made == ("feature_registry",)
    assert (first.encoded, first.fitted) == (0, 0)
    before = runs()
    again = run_pipeline(copied)
    assert again.made == () and set(again.kept) == {*first.made, *first.kept}
    assert again.failed_checks == first.failed_checks, "what stops nothing is said again"
    assert runs() == before + 1
    version = fitted_versions(workspace.lake, "ease")["user-temporal"]
    shutil.rmtree(workspace.paths.models / version)
    (workspace.paths.feast / "definitions.py").unlink()
    assert set(run_pipeline(copied).made) == {"model_ease", "feature_registry"}
    assert run_pipeline(copied).made == ()
    (head,) = workspace.paths.alignment.glob("image-*")
    (head / "weights.safetensors").unlink()
    assert "image_alignment" in run_pipeline(copied).made
    shutil.rmtree(workspace.paths.dagster)
    run_pipeline(copied)
    with open_instance(workspace.paths) as instance:
        shown = {key.to_user_string() for key in instance.all_asset_keys()}
    assert shown == {*again.kept, "source_tables", "source_media"}, "the web UI shows all of them"
    other = small_settings(copied.home, recommendations_k=7)
    assert "recommendations" in run_pipeline(other).made


def test_what_a_run_was_made_by_is_more_than_its_settings(
    copied: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, tuned = tmp_path / "encoder", tmp_path / "tuned.json"
    encoder.mkdir()
    (encoder / "model.safetensors").write_bytes(b"weights")
    tuned.write_text("{}")
    chosen = {"text_encoder": str(encoder), "tuned": str(tuned)}
    workspace = Workspace(small_settings(copied.home, **chosen))
    code = tmp_path / "code" / "orchestration" / "finished.py"
    code.parent.mkdir(parents=True)
    code.write_text("")
    monkeypatch.setattr("orchestration.finished.__file__", str(code))
    seen = {choices_in_force(workspace)}
    (encoder / "model.safetensors").write_bytes(b"other weights")
    seen.add(choices_in_force(workspace))
    tuned.write_text('{"ease": {}}')
    seen.add(choices_in_force(workspace))
    code.write_text("import this")
    seen.add(choices_in_force(workspace))
    assert len(seen) == 4 and choices_in_force(workspace) in seen


def test_one_changed_poster_is_the_only_content_that_is_encoded(copied: Settings) -> None:
    ok = (pl.col("modality") == "image") & (pl.col("status") == "ok")
    pictures = lake_of(copied).read("media").filter(ok & (pl.col("mime") == "image/png"))
    poster = source_of(Workspace(copied)).root / pictures["uri"][0]
    with Image.open(poster) as picture:
        size = picture.size
    Image.new("RGB", size, (200, 30, 30)).save(poster, "PNG")
    summary = run_pipeline(copied, only="key:media or key:image_features or key:raw_media")
    assert summary.encoded == 1
    assert "image_features" in summary.made


def test_every_user_and_a_newcomer_have_a_list_with_reasons(finished: Finished) -> None:
    settings, _ = finished
    lists = lake_of(settings).read("recommendations")
    users = lake_of(settings).scan_partitions("interactions").collect()["user_id"].unique()
    assert set(lists["user_id"]) == {*users, NEW_USER}
    sizes = lists.group_by("user_id").len()["len"]
    assert sizes.min() == sizes.max() == settings.recommendations_k
    assert lists["reasons"].list.first().str.len_chars().min() > 5


def test_no_list_shows_what_the_user_already_had(finished: Finished) -> None:
    settings, _ = finished
    lake = lake_of(settings)
    had = lake.scan_partitions("interactions").filter(pl.col("value") > 0)
    shown = lake.scan("recommendations")
    assert shown.join(had, on=["user_id", "item_id"], how="semi").collect().is_empty()


def test_an_app_reads_online_what_the_lake_holds(finished: Finished) -> None:
    settings, _ = finished
    raw = pl.read_parquet(source_of(Workspace(settings)).root / "events.parquet")["user_id"][0]
    answer = recommendations_of(settings, raw)
    key = pseudonym(raw, b"a key for tests")
    stored = lake_of(settings).read("recommendations").filter(pl.col("user_id") == key)
    assert answer.known
    assert [item.item_id for item in answer.items] == stored.sort("rank")["item_id"].to_list()
    assert not recommendations_of(settings, "nobody ever").known


def test_a_look_up_answers_as_feast_does_without_importing_it(finished: Finished) -> None:
    settings, _ = finished
    paths = StatePaths(settings.home)
    for view in (view for view in VIEWS if view.name in ONLINE_VIEWS):
        (entity,) = view.entities
        known = Workspace(settings).lake.scan(table_path(view).stem).select(f"{entity}_id")
        keys = [*known.unique().sort(f"{entity}_id").head(3).collect().to_series(), "nobody", "ü"]
        names = [field.name for field in view.features]
        asked = [f"{view.name}:{name}" for name in names]
        feasts = online(paths, {f"{entity}_id": keys}, asked)
        for place, key in enumerate(keys):
            found = newest_values(paths, f"{entity}_id", key, {view.name: names})
            assert found == {f"{view.name}__{n}": feasts[f"{view.name}__{n}"][place] for n in names}
    keys_of_items = Workspace(settings).lake.read("items")["item_id"]
    heavy = "{'feast', 'torch'} & set(sys.modules)"
    program = f"""
import sys
from crossmodal.settings import load_settings
from orchestration.lookup import features_of, recommendations_of
settings = load_settings(home={str(settings.home)!r}, id_key="a key for tests")
assert recommendations_of(settings, "nobody").items
assert features_of(settings, "item", {keys_of_items[0]!r})
sys.exit(bool({heavy}))
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_features_of_an_item_are_read_online(finished: Finished) -> None:
    settings, _ = finished
    item = lake_of(settings).read("text_embeddings")["item_id"][0]
    found = features_of(settings, "item", item)
    vector = lake_of(settings).read("text_embeddings")["embedding"][0]
    np.testing.assert_allclose(found["item_text_embedding__text_embedding"], vector, rtol=1e-6)
    with pytest.raises(LookupFailedError, match="no such item"):
        features_of(settings, "item", "no such item")


def test_a_title_has_a_vector_beside_that_of_the_whole_text(finished: Finished) -> None:
    settings, _ = finished
    lake, weights = lake_of(settings), Workspace(settings).paths.weights
    described = (pl.col("text").fill_null("") != "") & (pl.col("categories").list.len() > 0)
    items = lake.scan("items").filter(described)
    joined = lake.scan("text_embeddings").join(items, on="item_id")
    known = joined.sort("item_id").head(5).collect()
    whole = [
        ". ".join((title, ", ".join(categories), text))
        for title, categories, text in known.select("title", "categories", "text").iter_rows()
    ]
    encoder = load_text_encoder(settings.text_encoder, weights=weights, device=torch.device("cpu"))
    wholes, titles = encoder.encode(whole), encoder.encode(known["title"].to_list())
    # Of the same texts in other batches, as far as the precision goes that they are computed in.
    features = matrix(known["features"])
    assert (features[:, : wholes.shape[1]] * wholes).sum(axis=1).min() > 0.9998
    assert (2 * features[:, wholes.shape[1] :] * titles).sum(axis=1).min() > 0.9998
    assert (matrix(known["embedding"]) * wholes).sum(axis=1).min() > 0.9998


def test_no_raw_user_id_is_stored(finished: Finished) -> None:
    settings, _ = finished
    raw = set(pl.read_parquet(source_of(Workspace(settings)).root / "events.parquet")["user_id"])
    for path in settings.home.joinpath("lake").rglob("*.parquet"):
        frame = pl.read_parquet(path)
        if "user_id" in frame.columns:
            assert raw.isdisjoint(frame["user_id"]), path.name


def test_the_lineage_of_a_recommendation_reaches_every_raw_source(finished: Finished) -> None:
    settings, _ = finished
    graph = build_definitions(Workspace(settings)).get_repository_def().asset_graph
    upstream = dg.AssetSelection.assets("recommendations").upstream().resolve(graph)
    names = {key.to_user_string() for key in upstream}
    assert {"raw_interactions", "raw_items", "raw_media"} <= names


def test_the_report_has_the_figures_of_every_model(finished: Finished, tmp_path: Path) -> None:
    settings, _ = finished
    collected = json.loads(json.dumps(collect_report(settings)))
    assert {"dataset", "counts", "media", "metrics", "timings", "model_version"} <= set(collected)
    rows = [row for row in collected["metrics"] if row["model"] == "ease"]
    assert {row["split"] for row in rows} == {"user-temporal", "global-temporal", "cold-item"}
    rounding = 1e-9
    for row in rows:
        if row["ci_low"] is not None:
            assert row["ci_low"] - rounding <= row["value"] <= row["ci_high"] + rounding, row
    write_html(settings, collected, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64") > 10
    assert "http://" not in page and "https://" not in page


def test_a_selection_runs_those_assets_alone(copied: Settings) -> None:
    shutil.rmtree(copied.home / "models")
    summary = run_pipeline(copied, only="key:model_popularity")
    assert summary.made == ("model_popularity",)


def test_a_failing_run_says_which_asset_and_why(copied: Settings) -> None:
    events = source_of(Workspace(copied)).root / "events.parquet"
    events.write_bytes(b"not a table")
    with pytest.raises(RunFailedError, match=r"raw_files|cleaned_source"):
        run_pipeline(copied)


def test_a_champion_of_an_older_format_is_replaced(copied: Settings) -> None:
    paths = Workspace(copied).paths
    named = lake_of(copied).read("champion")["version"].item()
    mmnn = fitted_versions(lake_of(copied), "mmnn")["user-temporal"]
    old = paths.models / "mmnn-user-temporal-of-last-year"
    shutil.copytree(paths.models / mmnn, old)
    weights = load_file(old / "weights.safetensors")
    save_file(
        {name: x for name, x in weights.items() if name != "codes"}, old / "weights.safetensors"
    )
    digest = hashlib.sha256((old / "weights.safetensors").read_bytes()).hexdigest()
    manifest = json.loads((old / "manifest.json").read_text())
    manifest |= {"version": old.name, "weights_sha256": digest}
    (old / "manifest.json").write_text(json.dumps(manifest))
    (paths.models / "champion").write_text(old.name)
    run_pipeline(copied, only="champion+")
    champion = lake_of(copied).read("champion")
    assert champion["version"].item() == named
    answering = lake_of(copied).read("serving_model")["version"].item()
    assert answering == (paths.models / "champion").read_text().strip()
    assert "cannot be read" in champion["reason"].item()


def test_two_runs_do_not_share_a_home(copied: Settings) -> None:
    paths = Workspace(copied).paths
    with (
        open_instance(paths) as instance,
        sole_run(paths, instance),
        pytest.raises(HomeBusyError, match=r"CROSSMODAL_HOME"),
    ):
        run_pipeline(copied)


def test_too_many_rejects_stop_the_run_and_keep_the_last_good_tables(tmp_path: Path) -> None:
    source = tmp_path / "shop"
    source.mkdir()
    (source / "mapping.yaml").write_text(
        "root: .\ninteractions:\n  path: events.csv\n  user: u\n  item: i\n  time: t\n"
        "  time_format: unix_s\n  value: v\n  value_range: [1, 5]\n"
    )
    lines = ["u,i,t,v", *(f"u{n % 7},i{n % 11},{1_500_000_000 + n * 60},4" for n in range(70))]
    (source / "events.csv").write_text("\n".join(lines))
    settings = small_settings(
        tmp_path / "home", source="tables", source_path=source / "mapping.yaml"
    )
    run_pipeline(settings, only="group:sources or group:ingestion")
    before = lake_of(settings).scan_partitions("interactions").collect()
    broken = [*lines, *(f"u1,i2,{1_600_000_000 + n},99" for n in range(20))]
    (source / "events.csv").write_text("\n".join(broken))
    with pytest.raises(RunFailedError, match="value_out_of_range"):
        run_pipeline(settings, only="group:sources or group:ingestion")
    assert lake_of(settings).scan_partitions("interactions").collect().equals(before)
    elsewhere = settings.model_copy(update={"home": tmp_path / "another"})
    with pytest.raises(RunFailedError, match="value_out_of_range"):
        run_pipeline(elsewhere)
    assert json.loads((elsewhere.home / "source.json").read_text())["source"] == "tables"


def test_a_row_whose_time_has_not_come_is_looked_at_again_on_another_day(tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text(
        "interactions: {path: events.csv, user: u, item: i, time: t}\n"
    )
    lines = ["u,i,t", *(f"u{n % 7},i{n % 11},2021-03-{1 + n % 28:02d}" for n in range(70))]
    settings = small_settings(
        tmp_path / "home",
        source="tables",
        source_path=tmp_path / "mapping.yaml",
        max_reject_share=0.1,
    )
    chosen = []
    for late in ([], ["u1,i1,2999-01-01"]):
        (tmp_path / "events.csv").write_text("\n".join([*lines, *late]))
        run_pipeline(settings, only="group:sources or group:ingestion")
        chosen.append(_reading_choices(Workspace(settings))["latest"])
    assert chosen == ["None", str(datetime.now(UTC).date())]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (None, "no usable event: the file holds no row"),
        (
            "u,i,2024-01-01 10:00:00 EST,4",
            "100 % of them were rejected; most often bad_time (5 rows)",
        ),
        ("u,,2024-01-01,4", "bad_id (5 rows), such as row 1 of events.csv: the item id is empty"),
        ("u,i,2024-01-01,many", "value_out_of_range (5 rows), such as row 1 of events.csv: many"),
    ],
)
def test_where_nothing_can_be_used_the_check_says_why(
    tmp_path: Path, row: str | None, says: str
) -> None:
    (tmp_path / "mapping.yaml").write_text(
        "interactions: {path: events.csv, user: u, item: i, time: t, value: v}\n"
    )
    lines = ["u,i,t,v", *([row] * 5 if row else [])]
    (tmp_path / "events.csv").write_text("\n".join(lines))
    settings = small_settings(
        tmp_path / "home", source="tables", source_path=tmp_path / "mapping.yaml"
    )
    with pytest.raises(RunFailedError) as caught:
        run_pipeline(settings, only="group:sources or group:ingestion")
    assert says in str(caught.value)


def test_a_late_event_touches_its_month_alone(tmp_path: Path) -> None:
    source = tmp_path / "shop"
    source.mkdir()
    (source / "mapping.yaml").write_text(
        "root: .\ninteractions:\n  path: events.csv\n  user: u\n  item: i\n  time: t\n"
        "  time_format: iso\n  value: v\n"
    )
    lines = ["u,i,t,v"]
    lines += [f"u{n % 7},i{n % 11},2024-0{1 + n % 3}-1{n % 9}T00:00:00Z,4" for n in range(60)]
    (source / "events.csv").write_text("\n".join(lines))
    settings = small_settings(
        tmp_path / "home", source="tables", source_path=source / "mapping.yaml"
    )
    chosen = "group:sources or group:ingestion"
    run_pipeline(settings, only=chosen)
    folder = settings.home / "lake" / "interactions"
    before = {path.name: path.stat().st_ino for path in folder.glob("*.parquet")}
    (source / "events.csv").write_text("\n".join([*lines, "u1,i2,2024-02-27T00:00:00Z,5"]))
    run_pipeline(settings, only=chosen)
    after = {path.name: path.stat().st_ino for path in folder.glob("*.parquet")}
    assert {name for name in before if before[name] != after[name]} == {"2024-02.parquet"}
