"""Events that are too few for a model are told so before one is fitted, each in its own words."""

from pathlib import Path

import polars as pl
import pytest
from small_platform import small_settings

from crossmodal.workspace import Workspace
from models.assembly import event_log
from models.splits import user_temporal
from models.splits.names import USER_TEMPORAL
from orchestration.checks import enough_to_judge

Event = tuple[str, str]


def judged(home: Path, events: list[Event]) -> tuple[bool, str]:
    """Whether the events of a value above 0 are enough, and what is said."""
    frame = pl.DataFrame(
        {
            "user_id": pl.Series([user for user, _ in events], dtype=pl.String),
            "item_id": pl.Series([item for _, item in events], dtype=pl.String),
            "value": pl.Series([1.0] * len(events), dtype=pl.Float32),
            "event_timestamp": pl.Series(range(len(events)), dtype=pl.Int64).cast(
                pl.Datetime("us", "UTC")
            ),
        }
    )
    log = event_log(frame, sorted(frame["item_id"].unique()), 42)
    split = user_temporal(log.events, len(log.user_ids))
    parts = ["validation" if chosen else "train" for chosen in split.validation]
    whole = frame[log.order.tolist()].with_columns(
        pl.Series(parts, dtype=pl.String).alias(USER_TEMPORAL)
    )
    workspace = Workspace(small_settings(home))
    workspace.lake.write("splits", whole, {}, seed=42)
    found = enough_to_judge(workspace)
    return found.passed, str(found.description)


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([], "no event has a value above 0"),
        ([(f"u{n}", f"i{n % 5}") for n in range(50)], "no user has more than 1"),
        ([(f"u{n % 25}", f"i{n}") for n in range(50)], "no user has more than 2"),
        ([(f"u{n % 5}", "i") for n in range(50)], "all events are on 1 item"),
    ],
)
def test_what_is_too_little_is_said_truly(tmp_path: Path, events: list[Event], says: str) -> None:
    passed, told = judged(tmp_path, events)
    assert not passed and says in told
    assert f"There are {len(events)} events" in told


def test_one_user_with_three_events_is_enough(tmp_path: Path) -> None:
    assert judged(tmp_path, [("u", f"i{n}") for n in range(3)])[0]
