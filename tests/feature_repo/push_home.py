"""A home that takes pushes, and what an app with Feast alone does with it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from feast import FeatureStore
from feature_lake import NOW, fill_lake, interactions  # type: ignore[import-not-found]

from crossmodal.event_log import LoggedEvent
from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import pseudonym
from feature_repo.event_statistics import build_item_statistics, build_user_statistics
from feature_repo.materialize import materialize_fresh
from feature_repo.store import apply_definitions
from feature_repo.taste import build_user_taste

ADA, NEWCOMER = pseudonym("u1", b"key"), pseudonym("nobody yet", b"key")
OF_USER = [
    "user_statistics:user_n_events",
    "user_statistics:user_n_items",
    "user_statistics:user_value_mean",
    "user_statistics:user_n_events_7d",
    "user_taste_text:text_taste",
]
OF_ITEM = ["item_statistics:item_n_events", "item_statistics:item_n_users"]
AT = datetime(2026, 2, 1, 18, tzinfo=UTC)


def fill(home: Path) -> StatePaths:
    """A home whose users have pseudonyms, applied and materialized."""
    paths: StatePaths = fill_lake(home)
    lake = Lake(paths.lake)
    events = interactions().with_columns(
        pl.col("user_id").replace({f"u{n}": pseudonym(f"u{n}", b"key") for n in range(30)}),
        event_type=pl.lit("rating"),
        text=pl.lit(None, pl.String),
    )
    lake.write("interactions/1996-03", events, {})
    lake.write("items", pl.DataFrame({"item_id": [f"i{n}" for n in range(40)]}), {})
    none = pl.DataFrame(schema=dict.fromkeys(LoggedEvent.__annotations__, pl.String))
    lake.write("reported_events", none, {}, position=0)
    lake.write("item_statistics", pl.DataFrame(build_item_statistics(events).read_all()), {})
    lake.write("user_statistics", pl.DataFrame(build_user_statistics(events).read_all()), {})
    taste = build_user_taste(events, lake.read("text_embeddings")).read_all()
    lake.write("user_taste_text", pl.DataFrame(taste), {})
    apply_definitions(paths)
    materialize_fresh(paths, None, NOW)
    return paths


def event(number: int = 0, user: str = ADA, item: str = "i3", **told: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "user_id": user,
        "item_id": item,
        "event_type": "rating",
        "value": 5.0,
        "event_timestamp": AT + timedelta(minutes=number),
        **told,
    }


def push(app: FeatureStore, *events: dict[str, Any]) -> None:
    app.push("events", pd.DataFrame(events))


def read(app: FeatureStore, user: str = ADA, item: str = "i3") -> dict[str, Any]:
    row = {"user_id": user, "item_id": item}
    found = app.get_online_features([*OF_USER, *OF_ITEM], [row]).to_dict()
    return {name: values[0] for name, values in found.items() if name not in row}
