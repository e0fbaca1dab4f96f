"""Catalogues whose media say nothing or are all broken, through the run up to the embeddings."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from media_files import encoded, picture, tone, wav
from small_platform import small_settings

from crossmodal.lake import Lake
from crossmodal.settings import Settings
from orchestration.run import CheckFailedError, RunSummary, run_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("encoders_once")]

ONLY = "group:sources or group:ingestion or group:embeddings"
MAPPING = """\
root: .
interactions: {path: events.csv, user: user, item: item, time: at, time_format: unix_s}
items: {path: items.csv, id: item, title: title, categories: {column: kind, separator: "|"}}
media: {image: poster, audio: clip}
"""
ITEMS = range(101, 126)
Make = Callable[[int], bytes]


def shop(folder: Path, poster: Make, clip: Make, kind: str = "{item}") -> Path:
    """A mapping of 25 items with a picture and a sound each."""
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["item", "title", "kind", "poster", "clip"])
        for item in ITEMS:
            (folder / f"{item}.png").write_bytes(poster(item))
            (folder / f"{item}.wav").write_bytes(clip(item))
            named = kind.format(item=f"kind {item % 4}")
            rows.writerow([item, f"Film {item}", named, f"{item}.png", f"{item}.wav"])
    with (folder / "events.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "item", "at"])
        rows.writerows([k % 30, 101 + (7 * k) % 25, 1_600_000_000 + 3600 * k] for k in range(300))
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    return folder / "mapping.yaml"


def settings_of(mapping: Path, **chosen: object) -> Settings:
    home = mapping.parent / "home"
    return small_settings(home, source="tables", source_path=mapping, **chosen)


def own_poster(item: int) -> bytes:
    return encoded(picture(60 + 2 * (item - 100), 90), "PNG")


def own_clip(item: int) -> bytes:
    return wav(tone(0.5)[0] * (item - 100) / 30)


def said(summary: RunSummary) -> str:
    return "\n".join(summary.failed_checks)


def test_the_same_picture_and_silence_for_all_are_left_out_like_none(tmp_path: Path) -> None:
    placeholder = encoded(picture(), "PNG")
    settings = settings_of(
        shop(
            tmp_path,
            poster=lambda item: placeholder,
            clip=lambda item: wav(np.zeros(8000 + item, dtype=np.float32)),
            kind="film",
        )
    )
    summary = run_pipeline(settings, ONLY)
    lake = Lake(settings.home / "lake")
    media = lake.read("media").group_by("modality", "status").len().sort("modality")
    assert media.rows() == [("audio", "ok", 25), ("image", "missing", 25)]
    for tower in ("image", "audio", "attributes"):
        assert lake.read(f"{tower}_embeddings").is_empty()
    assert lake.read("text_embeddings").height == 25
    assert "101.png is the image of 25 of 25 items: a placeholder" in said(summary)
    assert "The audio of all 25 items that have it gives the same vector" in said(summary)
    assert "The attributes of all 25 items" in said(summary)


def test_a_modality_that_is_lost_stops_the_run_before_anything_is_fitted(tmp_path: Path) -> None:
    page = b"<html><body>404 Not Found</body></html>"
    mapping = shop(tmp_path, poster=own_poster, clip=lambda item: page)
    with pytest.raises(CheckFailedError) as stopped:
        run_pipeline(settings_of(mapping), ONLY)
    message = str(stopped.value)
    assert "25 of 25 audio files are broken" in message and "web page" in message
    assert "101.wav, 102.wav, 103.wav" in message
    assert "CROSSMODAL_MAX_BROKEN_SHARE" in message
    lake = Lake(tmp_path / "home" / "lake")
    assert lake.exists("media") and not lake.exists("image_features")
    run_pipeline(settings_of(mapping, max_broken_share=1.0), ONLY)
    assert lake.read("audio_embeddings").is_empty()
    assert lake.read("image_embeddings").height == 25


def test_a_few_broken_files_and_a_note_stop_nothing(tmp_path: Path) -> None:
    def poster(item: int) -> bytes:
        whole = encoded(picture(60 + 2 * (item - 100), 90), "JPEG")
        return whole[:-2] if item % 2 else whole

    mapping = shop(tmp_path, poster, lambda item: own_clip(item) if item > 103 else b"text")
    summary = run_pipeline(settings_of(mapping), ONLY)
    lake = Lake(tmp_path / "home" / "lake")
    media = lake.read("media")
    assert media.filter(pl.col("note").str.contains("last bytes")).height == 13
    assert lake.version("media").summary["noted"] == 13
    assert lake.read("audio_embeddings").height == 22
    assert not summary.failed_checks
