"""Writes the whole sample: tables, posters, sounds, clips, and the truth next to them."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from sources.folders import whole_folder
from sources.protocol import INTERACTIONS, Progress
from sources.sample.breakage import break_file
from sources.sample.catalogue import (
    MediaPlan,
    arrival_seconds,
    item_id,
    plan_media,
    user_id,
    write_catalogue,
)
from sources.sample.choices import START, Events, draw_events
from sources.sample.config import SampleConfig
from sources.sample.files import encode_picture, write_clip, write_sound
from sources.sample.posters import draw_poster
from sources.sample.sounds import draw_sound
from sources.sample.tastes import (
    STREAM_REVIEW,
    Items,
    Users,
    draw_items,
    draw_users,
    random,
    shares,
)
from sources.sample.writing import write_review

logger = logging.getLogger(__name__)

_REVIEW_SHARE = 0.04
_CLIP_RATE = 22_050
_EVERY = 25
_WRITERS = 2


def sample_folder(home_sources: Path, config: SampleConfig) -> Path:
    """Where the catalogue of these settings lies."""
    return home_sources / f"sample-{config.fingerprint}"


def generate(home_sources: Path, config: SampleConfig, progress: Progress | None = None) -> Path:
    """Generates the catalogue where it is absent; returns its folder.

    It is written aside and renamed when whole, so a killed run leaves nothing that looks whole.
    """
    target = sample_folder(home_sources, config)
    if target.is_dir():
        return target
    with whole_folder(target) as temporary:
        _write_all(temporary, config, progress)
    return target


def _write_all(folder: Path, config: SampleConfig, progress: Progress | None) -> None:
    items, users = draw_items(config), draw_users(config)
    plan = plan_media(config)
    events = draw_events(config, items, users, arrival_seconds(config))
    write_catalogue(config, items, plan).write_parquet(folder / "items.parquet", compression="zstd")
    _event_table(config, items, events).write_parquet(folder / "events.parquet", compression="zstd")
    _write_truth(folder / "truth", items, users)
    for name in ("posters", "audio", "video"):
        (folder / name).mkdir()
    # Each file has random numbers of its own, so that the order of writing does not matter.
    with ThreadPoolExecutor(_WRITERS) as pool:
        written = pool.map(partial(_write_media, folder, config, items, plan), range(config.items))
        for done, _ in enumerate(written, start=1):
            if progress and (done % _EVERY == 0 or done == config.items):
                progress("drawing the sample's posters and sounds", done, config.items)
    logger.info("Sample of %d items and %d events generated.", config.items, len(events.users))


def _event_table(config: SampleConfig, items: Items, events: Events) -> pl.DataFrame:
    rng = random(config, STREAM_REVIEW)
    reviewed = set(np.flatnonzero(rng.random(len(events.users)) < _REVIEW_SHARE).tolist())
    texts = [
        write_review(config, event, stars, items.expressed["text"][item])
        if event in reviewed
        else None
        for event, (item, stars) in enumerate(
            zip(events.items.tolist(), events.stars.tolist(), strict=True)
        )
    ]
    start = int(START.astype(np.int64))
    return pl.DataFrame(
        {
            "user_id": [user_id(position) for position in events.users.tolist()],
            "item_id": [item_id(position) for position in events.items.tolist()],
            "value": events.stars,
            "event_type": ["rating"] * len(events.users),
            "text": texts,
            "event_timestamp": ((start + events.seconds) * 1_000_000).tolist(),
        },
        schema_overrides=dict(INTERACTIONS),
    ).sort("event_timestamp", "user_id", "item_id")


def _write_truth(folder: Path, items: Items, users: Users) -> None:
    folder.mkdir()
    pl.DataFrame(
        {
            "item_id": [item_id(position) for position in range(len(items.tastes))],
            "taste": items.tastes.tolist(),
            "popularity": items.popularity,
            "silent": items.silent,
            **{f"{name}_says": vectors.tolist() for name, vectors in items.expressed.items()},
        }
    ).write_parquet(folder / "items.parquet")
    pl.DataFrame(
        {
            "user_id": [user_id(position) for position in range(len(users.early))],
            "early": users.early.tolist(),
            "turn": users.turn.tolist(),
        }
    ).write_parquet(folder / "users.parquet")
    (folder / "shares.json").write_text(json.dumps(shares(), indent=2) + "\n", encoding="utf-8")


def _write_media(
    folder: Path, config: SampleConfig, items: Items, plan: MediaPlan, position: int
) -> None:
    name = item_id(position)
    if plan.clip[position]:
        poster = draw_poster(config, position, items.expressed["image"][position])
        sound = draw_sound(config, position, items.expressed["audio"][position], _CLIP_RATE, 2)
        write_clip(folder / "video" / f"{name}.mp4", poster, sound, _CLIP_RATE)
    if plan.poster[position]:
        kind = plan.picture_format[position]
        poster = draw_poster(config, position, items.expressed["image"][position])
        path = folder / "posters" / f"{name}.{kind.split('-')[0]}"
        path.write_bytes(encode_picture(poster, kind))
        _break_if_planned(path, position, plan.poster_breakage)
    if plan.sound[position]:
        kind, rate = plan.sound_format[position], plan.rate[position]
        path = folder / "audio" / f"{name}.{kind}"
        clip = draw_sound(
            config, position, items.expressed["audio"][position], rate, plan.channels[position]
        )
        write_sound(path, clip, rate, kind)
        _break_if_planned(path, position, plan.sound_breakage)


def _break_if_planned(path: Path, position: int, breakage: dict[int, str]) -> None:
    if position in breakage:
        break_file(path, breakage[position])
