"""Point in time features: the ASOF store, Feast's own DuckDB store and a bare ASOF join.

    python -m benchmarks.historical_features [--entities 1000000] [--features 10000000]
                                             [--memory 3GB] [--only asof,bare,feast]

Users have a row of eight statistics per event of theirs; entity rows are events of random users at
random instants. Each store answers in a process of its own, into a Parquet file; the figures are
its seconds and the peak of its resident memory. Where both are asked, the answers of the ASOF
store and of Feast's are compared row by row.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

OUT = Path(__file__).parent / "out" / "historical_features.json"
_GIB = 2**30
_KINDS = ("bare", "asof", "feast")
_NAMES = tuple(f"feature_{number}" for number in range(8))
_EVENTS_PER_USER = 150
_ASOF = "feature_repo.asof_offline_store.AsofDuckDBOfflineStore"


def main() -> None:
    """Makes the tables, asks every store and writes the figures."""
    chosen = _parsed()
    if chosen.one:
        print(json.dumps(_measured(chosen.one, Path(chosen.folder), chosen.memory)))
        return
    rows = []
    with tempfile.TemporaryDirectory(dir=chosen.scratch) as name:
        folder = Path(name)
        _write_tables(folder, chosen.entities, chosen.features)
        for kind in chosen.only:
            rows.append(_in_a_process(kind, folder, chosen.memory))
            print(json.dumps(rows[-1]), flush=True)
        if {"asof", "feast"} <= set(chosen.only):
            print(f"{_differences(folder):,} rows differ between the ASOF store and Feast's.")
    facts = {"date": date.today().isoformat(), "cpus": os.cpu_count(), "memory": chosen.memory}
    sizes = {"entity_rows": chosen.entities, "feature_rows": chosen.features}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(facts | sizes | {"rows": rows}, indent=1) + "\n")
    print(f"Written to {OUT}.")


def _write_tables(folder: Path, entities: int, features: int) -> None:
    """Both tables as Parquet, seeded."""
    users = max(1, features // _EVENTS_PER_USER)
    numbers = ", ".join(
        f"(hash(i, {place}) % 1000)::FLOAT AS {name}" for place, name in enumerate(_NAMES)
    )
    key = f"'u' || (hash(i, 'user') % {users})::VARCHAR AS user_id"
    instant = "make_timestamptz((1600000000000000 + hash(i, '{}') % 100000000000000)::BIGINT)"
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        for name, count, columns in (
            ("features", features, numbers),
            ("entities", entities, "i AS row"),
        ):
            engine.execute(
                f"COPY (SELECT {key}, {instant.format(name)} AS event_timestamp, {columns} "
                f"FROM range({count}) AS numbers(i)) TO '{folder / name}.parquet'"
            )


def _measured(kind: str, folder: Path, memory: str) -> dict[str, Any]:
    """Seconds and peak of resident memory (GiB) of one store."""
    ask = {"bare": _bare, "asof": _by_feast, "feast": _by_feast}[kind]
    answer = ask(kind, folder, memory)
    began, used = time.perf_counter(), time.process_time()
    answer()
    return {
        "store": kind,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - used, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _GIB, 2),
    }


def _bare(_: str, folder: Path, memory: str) -> Any:
    engine = duckdb.connect()
    engine.execute("SET memory_limit = ?", [memory])
    engine.execute("SET temp_directory = ?", [str(folder / "bare_spill")])
    names = ", ".join(f"f.{name}" for name in _NAMES)
    return lambda: engine.execute(
        f"COPY (SELECT e.*, {names} FROM '{folder}/entities.parquet' AS e "
        f"ASOF LEFT JOIN '{folder}/features.parquet' AS f ON e.user_id = f.user_id "
        f"AND e.event_timestamp >= f.event_timestamp) TO '{folder}/bare.parquet'"
    )


def _by_feast(kind: str, folder: Path, memory: str) -> Any:
    import pandas as pd
    from feast.data_format import ParquetFormat
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    store = _store(kind, folder, memory)
    entities: Any = f"SELECT * FROM '{folder}/entities.parquet'"
    if kind == "feast":
        entities = pd.read_parquet(folder / "entities.parquet")
    references = [f"statistics:{name}" for name in _NAMES]
    storage = SavedDatasetFileStorage(f"{folder}/{kind}.parquet", ParquetFormat())

    def answer() -> None:
        job = store.get_historical_features(entity_df=entities, features=references)
        job.persist(storage, allow_overwrite=True)

    return answer


def _store(kind: str, folder: Path, memory: str) -> Any:
    from datetime import timedelta

    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
    from feast.types import Float32, String
    from feast.value_type import ValueType

    bounded = {"memory_limit": memory, "temp_directory": str(folder / "spill")}
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="statistics",
        entities=[user],
        ttl=timedelta(0),
        source=FileSource(path=f"{folder}/features.parquet", timestamp_field="event_timestamp"),
        schema=[
            Field(name="user_id", dtype=String),
            *(Field(name=name, dtype=Float32) for name in _NAMES),
        ],
    )
    store = FeatureStore(
        config=RepoConfig(
            project="benchmark",
            provider="local",
            registry={"registry_type": "file", "path": f"{folder}/{kind}.db"},
            offline_store={"type": _ASOF} | bounded if kind == "asof" else {"type": "duckdb"},
            online_store={"type": "sqlite", "path": f"{folder}/{kind}_online.db"},
            entity_key_serialization_version=3,
        )
    )
    store.apply([user, view])
    return store


def _differences(folder: Path) -> int:
    """Rows whose features are not the same; rows of one user and instant are left to chance."""
    names = ", ".join(_NAMES)
    unique = f"SELECT user_id, event_timestamp FROM '{folder}/features.parquet'"
    with duckdb.connect() as engine:
        engine.execute(f"CREATE TABLE once AS {unique} GROUP BY ALL HAVING count(*) > 1")
        (count,) = engine.execute(
            f"SELECT count(*) FROM (SELECT row, {names} FROM '{folder}/asof.parquet' EXCEPT "
            f"SELECT row, {names} FROM '{folder}/feast.parquet')"
        ).fetchone() or (0,)
        (ties,) = engine.execute("SELECT count(*) FROM once").fetchone() or (0,)
    print(f"{ties:,} users have two rows of one instant.")
    return int(count)


def _in_a_process(kind: str, folder: Path, memory: str) -> dict[str, Any]:
    flags = ["--one", kind, "--folder", str(folder), "--memory", memory]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.historical_features", *flags],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"store": kind, "failed": (done.stderr or str(done.returncode))[-300:]}
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=10_000_000)
    parser.add_argument("--memory", default="3GB", help="that DuckDB may hold")
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=_KINDS)
    parser.add_argument("--scratch", help="a folder with room for the tables and what is spilled")
    parser.add_argument("--one", choices=_KINDS, help="ask one store of tables that are there")
    parser.add_argument("--folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
