"""The online store filled by the project's compute engine, compared with Feast's own.

    python -m benchmarks.materialization [--events 1000000] [--items 50000] [--repeats 3]

Statistics are those of generated events in ml-25m's shape; vectors are random, 384 numbers each. A
row is what the store answers about one key of one view: eight numbers, or a vector and the name of
its encoder. The online store holds a row per feature of each, so `stored` counts eight or two rows
of SQLite per row. The time of `feast` and `columnar` is that of `FeatureStore.materialize`, which
reads the newest row of each key and writes it: with Feast's own DuckDB store and compute engine, or
with this project's. `run` is what a run of the platform does, which fills a new file and syncs it.
All tables must hold the same bytes.
"""

import argparse
import contextlib
import io
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from feast import FeatureStore

from benchmarks._runs import write
from benchmarks.movielens_like import write_movielens
from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from feature_repo.event_statistics import build_item_statistics, build_user_statistics
from feature_repo.materialize import materialize_fresh
from feature_repo.store import apply_definitions, close_store, expected_warnings, repo_config

_OUT = Path("benchmarks/out/materialization.json")
_KINDS = {
    "statistics": ("item_statistics", "user_statistics"),
    "vectors": ("item_text_embedding",),
}
_WIDTH = 384
_START = datetime(1995, 1, 1, tzinfo=UTC)
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Fills stores in each way and writes the figures."""
    chosen = _parsed()
    with tempfile.TemporaryDirectory(dir=chosen.scratch) as name:
        paths = _home(Path(name), chosen.events, chosen.items, chosen.seed)
        rows, differing = [], []
        for kind in _KINDS:
            found, same = _compared(paths, kind, chosen.repeats)
            rows += found
            differing += [] if same else [kind]
    sizes = {"events": chosen.events, "items": chosen.items, "repeats": chosen.repeats}
    write(chosen.out, {**sizes, "rows": rows, "same_bytes": not differing})
    if differing:
        sys.exit(f"The stores differ in {', '.join(differing)}.")


def _home(folder: Path, events: int, items: int, seed: int) -> StatePaths:
    """A home with the tables that are materialized, and definitions applied."""
    paths = StatePaths(folder / "home")
    lake = Lake(paths.lake)
    write_movielens(folder, events, seed)
    known = pl.read_csv(folder / "ratings.csv").select(
        user_id=pl.col("userId").cast(pl.String).str.zfill(64),
        item_id=pl.col("movieId").cast(pl.String),
        value=pl.col("rating").cast(pl.Float32),
        event_timestamp=pl.from_epoch("timestamp")
        .dt.cast_time_unit("us")
        .dt.replace_time_zone("UTC"),
    )
    lake.write_batches("item_statistics", build_item_statistics(known), {})
    lake.write_batches("user_statistics", build_user_statistics(known), {})
    vectors = np.random.default_rng(seed).normal(size=(items, _WIDTH)).astype(np.float32)
    table = pl.DataFrame(
        {
            "item_id": [str(number) for number in range(items)],
            "event_timestamp": pl.Series([_START] * items, dtype=pl.Datetime("us", "UTC")),
            "embedding": pl.Series(vectors).arr.to_list(),
            "features": pl.Series(vectors[:, :8]).arr.to_list(),
            "encoder": ["generated"] * items,
        }
    )
    lake.write("text_embeddings", table, {})
    apply_definitions(paths)
    return paths


def _compared(paths: StatePaths, kind: str, repeats: int) -> tuple[list[dict[str, Any]], bool]:
    """Figures of each way to fill the store, and whether all wrote the same bytes."""
    ways: dict[str, Callable[[], Path]] = {
        "feast": lambda: _by_feast(paths, kind, own=True),
        "columnar": lambda: _by_feast(paths, kind, own=False),
        "run": lambda: _by_a_run(paths, kind),
    }
    rows, contents = [], []
    for way, fill in ways.items():
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            file = fill()
            seconds.append(time.perf_counter() - began)
        contents.append(_content(file, kind))
        keys = sum(len({row[0] for row in table}) for table in contents[-1])
        median = float(np.median(seconds))
        row = {"way": way, "kind": kind, "rows": keys, "stored": sum(map(len, contents[-1]))}
        row["seconds"] = round(median, 2)
        rows.append(row | {"rows_per_s": round(keys / median)})
        print(rows[-1], flush=True)
    return rows, all(content == contents[0] for content in contents)


def _by_feast(paths: StatePaths, kind: str, *, own: bool) -> Path:
    """A file that `FeatureStore.materialize` fills, with Feast's own parts or the project's."""
    file = paths.feast / f"{'feast' if own else 'columnar'}.db"
    file.unlink(missing_ok=True)
    config = repo_config(paths, online_store=file)
    if own:
        config.offline_config, config.batch_engine_config = "duckdb", "local"
    store = FeatureStore(config=config)
    views = list(_KINDS[kind])
    try:
        store.provider.online_store.update(
            config, [], [store.get_feature_view(name) for name in views], [], [], partial=False
        )
        with contextlib.redirect_stdout(io.StringIO()), expected_warnings():
            store.materialize(_START, _NOW, feature_views=views)
    finally:
        close_store(store)
    return file


def _by_a_run(paths: StatePaths, kind: str) -> Path:
    materialize_fresh(paths, _KINDS[kind], _NOW)
    return paths.online_store


def _content(file: Path, kind: str) -> list[list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(file)) as connection:
        order = 'SELECT * FROM "crossmodal_{}" ORDER BY entity_key, feature_name'
        return [connection.execute(order.format(view)).fetchall() for view in _KINDS[kind]]


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=50_000, help="that have a vector")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--scratch", help="a folder with room for the tables and the stores")
    parser.add_argument("--out", type=Path, default=_OUT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
