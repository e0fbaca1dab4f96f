"""The generated catalogue: the same bytes from one seed, and a truth worth finding."""

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sources.catalogue import SourceRequest
from sources.factory import open_source
from sources.protocol import INTERACTIONS, ITEMS, MEDIA, Source, SourceError
from sources.sample.config import SampleConfig
from sources.sample.source import SampleSource
from sources.sample.truth import load_truth

SMALL = SampleConfig(users=120, items=100, events=2500, seed=7)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSource:
    source = SampleSource(tmp_path_factory.mktemp("sources"), SMALL)
    source.fetch()
    return source


def checksums(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_one_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    config = SampleConfig(users=20, items=24, events=200, seed=3)
    first = SampleSource(tmp_path / "a", config)
    second = SampleSource(tmp_path / "b", config)
    first.fetch()
    second.fetch()
    assert checksums(first.root) == checksums(second.root)


def test_another_seed_lies_in_another_folder(tmp_path: Path) -> None:
    one = SampleSource(tmp_path, SampleConfig(seed=1))
    assert one.root != SampleSource(tmp_path, SampleConfig(seed=2)).root


def test_fetch_leaves_a_whole_catalogue_alone_and_nothing_half(sample: SampleSource) -> None:
    before = checksums(sample.root)
    sample.fetch()
    assert checksums(sample.root) == before
    assert not list(sample.root.parent.glob(".folder-*"))


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    source = SampleSource(tmp_path, SampleConfig(users=20, items=40, events=300))
    with pytest.raises(KeyboardInterrupt):
        source.fetch(interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_catalogue_is_named_with_the_way_out(tmp_path: Path) -> None:
    damaged = SampleSource(tmp_path, SampleConfig())
    damaged.root.mkdir(parents=True)
    for name, read in (("events", damaged.interactions), ("items", damaged.items)):
        (damaged.root / f"{name}.parquet").write_bytes(b"no table " * 100)
        with pytest.raises(SourceError, match=rf"{name}\.parquet is damaged .*: delete "):
            read()


def test_tables_have_the_contracts_columns(sample: SampleSource) -> None:
    events, items, media = sample.interactions(), sample.items(), sample.media()
    assert isinstance(sample, Source)
    assert events.frame.collect_schema() == INTERACTIONS
    assert items.frame.collect_schema() == ITEMS
    assert media.collect_schema() == MEDIA
    assert events.rejects.collect().is_empty()
    assert items.rejects.collect().is_empty()


def test_events_are_sorted_unique_and_after_their_item_arrived(sample: SampleSource) -> None:
    events = sample.interactions().frame.collect()
    arrived = sample.items().frame.select("item_id", "created_at").collect()
    assert abs(events.height - SMALL.events) < 0.1 * SMALL.events
    assert events["event_timestamp"].is_sorted()
    assert not events.select("user_id", "item_id").is_duplicated().any()
    assert (events.group_by("user_id").len()["len"] >= 5).all()
    assert events["value"].is_between(1, 5).all()
    joined = events.join(arrived, on="item_id")
    assert (joined["event_timestamp"] >= joined["created_at"]).all()
    assert 0.03 < events["text"].count() / events.height < 0.05


def test_some_items_are_silent_and_some_have_no_file(sample: SampleSource) -> None:
    items = sample.items().frame.collect()
    touched = sample.interactions().frame.select("item_id").unique().collect()
    media = sample.media().collect()
    assert items.height - touched.height >= 0.05 * SMALL.items
    assert set(media["modality"]) == {"image", "audio", "video"}
    with_clip = set(media.filter(pl.col("modality") == "video")["item_id"])
    others = set(media.filter(pl.col("modality") != "video")["item_id"])
    assert with_clip.isdisjoint(others)
    for modality in ("image", "audio"):
        own = set(media.filter(pl.col("modality") == modality)["item_id"])
        assert len(with_clip | own) < items.height
    assert (items["text"] == "").any()
    assert all((sample.root / uri).is_file() for uri in media["uri"])


def test_files_come_in_the_formats_of_the_world(sample: SampleSource) -> None:
    endings = {Path(uri).suffix for uri in sample.media().collect()["uri"]}
    assert endings >= {".jpg", ".png", ".webp", ".wav", ".flac", ".ogg", ".mp3", ".mp4"}
    contents = [(sample.root / uri).read_bytes() for uri in sample.media().collect()["uri"]]
    assert any(content == b"" for content in contents)
    assert any(content.startswith(b"<html>") for content in contents)


def test_a_clip_holds_frames_and_a_sound_track(sample: SampleSource) -> None:
    import av

    clip = next(sample.root.glob("video/*.mp4"))
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height) == (200, 300)
        assert container.streams.audio[0].rate == 22_050


def test_the_truth_ranks_far_above_chance(sample: SampleSource) -> None:
    truth = load_truth(sample.root)
    events = sample.interactions().frame.collect()
    scores = truth.scores(truth.user_ids, truth.item_ids)
    user_of = {key: row for row, key in enumerate(truth.user_ids)}
    item_of = {key: row for row, key in enumerate(truth.item_ids)}
    chosen = np.zeros(scores.shape, dtype=bool)
    rows = [user_of[key] for key in events["user_id"]]
    chosen[rows, [item_of[key] for key in events["item_id"]]] = True
    best = np.argsort(-scores, axis=1)[:, :5]
    assert np.take_along_axis(chosen, best, axis=1).mean() > 3 * chosen.mean()


def test_files_and_their_formats_say_nothing_of_popularity(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from sources.sample.catalogue import plan_media
    from sources.sample.tastes import draw_items

    config = SampleConfig(items=20_000)
    plan, items = plan_media(config), draw_items(config)
    for flag in (plan.clip, plan.text, plan.poster, plan.sound):
        assert abs(np.corrcoef(flag, items.popularity)[0, 1]) < 0.03
    for kind in set(plan.picture_format):
        having = np.array([kind == other for other in plan.picture_format])
        assert abs(np.corrcoef(having, items.popularity)[0, 1]) < 0.03


def test_shares_are_those_of_the_tastes(sample: SampleSource) -> None:
    truth = load_truth(sample.root)
    shares = json.loads((sample.root / "truth" / "shares.json").read_text(encoding="utf-8"))
    assert shares["text"] > shares["image"] > shares["audio"]
    power = (truth.users.early**2).sum(axis=0)
    assert power[3:7].sum() / power.sum() == pytest.approx(shares["block_text"], abs=1e-4)
    blocks = [value for name, value in shares.items() if name.startswith("block_")]
    assert sum(blocks) == pytest.approx(1.0)


def test_the_truth_of_an_absent_catalogue_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="fetch the sample source"):
        load_truth(tmp_path)


def test_the_factory_opens_by_name(tmp_path: Path) -> None:
    assert open_source("sample", SourceRequest(tmp_path, sample=SMALL)).name == "sample"
    with pytest.raises(SourceError, match="choose sample, movielens or tables"):
        open_source("spotify", SourceRequest(tmp_path))
    with pytest.raises(SourceError, match="--path"):
        open_source("tables", SourceRequest(tmp_path))
    with pytest.raises(SourceError, match="--name"):
        open_source("movielens", SourceRequest(tmp_path))


def test_sizes_that_make_no_catalogue_are_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        SampleConfig(users=0)
