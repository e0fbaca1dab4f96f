"""A small real lake for the feature store's tests."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from feature_repo.event_statistics import build_item_statistics, build_user_statistics
from feature_repo.store import apply_definitions
from feature_repo.taste import build_user_taste

INSTANT = pl.Datetime("us", "UTC")
START = datetime(1996, 3, 29, 23, 59, tzinfo=UTC)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MODALITIES = ("text", "image", "audio", "reviews", "attributes")


def embeddings(n_items: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_items, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    features = rng.normal(size=(n_items, 8)).astype(np.float32)
    ids = [f"i{index}" for index in range(n_items)]
    return pl.DataFrame(
        {
            "item_id": pl.Series(ids, dtype=pl.String),
            "event_timestamp": pl.Series([START] * n_items, dtype=INSTANT),
            "embedding": pl.Series(list(vectors), dtype=pl.List(pl.Float32)),
            "features": pl.Series(list(features), dtype=pl.List(pl.Float32)),
            "encoder": pl.Series(["tests"] * n_items, dtype=pl.String),
            "fingerprint": pl.Series(["f"] * n_items, dtype=pl.String),
            "content_sha256": pl.Series(["c"] * n_items, dtype=pl.String),
        }
    )


def interactions(n_events: int = 600, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    seconds = rng.integers(0, 40 * 86_400, n_events)
    return pl.DataFrame(
        {
            "user_id": [f"u{index}" for index in rng.integers(0, 30, n_events)],
            "item_id": [f"i{index}" for index in rng.integers(0, 40, n_events)],
            "value": (rng.integers(1, 11, n_events) / 2).astype(np.float32),
            "event_timestamp": pl.Series(
                [START + timedelta(seconds=int(second)) for second in seconds], dtype=INSTANT
            ),
        }
    )


def lists(users: list[str], model_version: str, now: datetime = NOW) -> pl.DataFrame:
    n_users = len(users)
    made = pl.Series([now - timedelta(hours=1)] * n_users, dtype=INSTANT)
    return pl.DataFrame(
        {
            "user_id": users,
            "event_timestamp": made,
            "item_ids": [["i1", "i2"]] * n_users,
            "scores": pl.Series([[0.5, 0.25]] * n_users, dtype=pl.List(pl.Float32)),
            "reasons": [["like i7", "like i9"]] * n_users,
            "model_version": [model_version] * n_users,
            "generated_at": made,
        }
    )


def fill_lake(home: Path) -> StatePaths:
    """Every table of the feature store; nobody has sound, and i39 has no modality at all."""
    paths = StatePaths(home)
    lake = Lake(paths.lake)
    events = interactions()
    for seed, modality in enumerate(MODALITIES):
        table = embeddings(0 if modality == "audio" else 39, seed)
        lake.write(f"{modality}_embeddings", table, {})
        taste = build_user_taste(events, table).read_all()
        lake.write(f"user_taste_{modality}", pl.DataFrame(taste), {})
    lake.write("item_statistics", pl.DataFrame(build_item_statistics(events).read_all()), {})
    lake.write("user_statistics", pl.DataFrame(build_user_statistics(events).read_all()), {})
    users = [f"u{index}" for index in range(30)]
    lake.write("user_recommendations", lists([*users, "new_user"], "first"), {})
    return paths


def copy_home(source: StatePaths, home: Path) -> StatePaths:
    """A copy of an applied home; its registry is made to name the tables of the copy."""
    shutil.copytree(source.home, home)
    copy = StatePaths(home)
    if not apply_definitions(copy):
        raise AssertionError("The copy's registry still names the tables of its origin.")
    return copy
