"""The segments that the gate reads from the lake, and the page of its verdict."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.gate import gate_rows, segments_in, verdict_page
from crossmodal.lake import Lake
from models.gate import Limits, Measured, judge
from models.gate_health import Health
from models.splits.names import COLD_ITEM, GLOBAL_TEMPORAL, USER_TEMPORAL

USERS = pl.Series("user_id", ["u2", "u0", "u1"])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three users; u0 has a long history, u1's test is on a cold item, u2's lacks a picture."""
    train = [("u0", f"i{n}") for n in range(9)] + [("u1", "i0"), ("u2", "i1"), ("u2", "i2")]
    test = [("u0", "i1"), ("u1", "new"), ("u2", "i8")]
    lake = Lake(tmp_path)
    events = pl.DataFrame(train + test, schema=["user_id", "item_id"], orient="row")
    parts = ["train"] * len(train) + ["test"] * len(test)
    lake.write("splits", events.with_columns(pl.Series(USER_TEMPORAL, parts)), {})
    items = sorted({item for _, item in train + test})
    lake.write(
        "item_tokens",
        pl.DataFrame(
            {
                "item_id": items,
                "text": [[1.0]] * len(items),
                "image": [None if item == "i8" else [1.0] for item in items],
                "audio": [None] * len(items),
                "attributes": [[1.0]] * len(items),
            },
            schema_overrides={"audio": pl.List(pl.Float64)},
        ),
        {},
    )
    return lake


def found(lake: Lake) -> dict[str, list[str]]:
    ids = USERS.to_numpy()
    return {part.name: ids[part.users].tolist() for part in segments_in(lake, USERS)}


def test_who_is_in_a_segment_is_told_by_training_events_and_tokens(lake: Lake) -> None:
    assert found(lake) == {
        "new_users": ["u2", "u1"],
        "least_active": ["u1"],
        "most_active": ["u0"],
        "cold_items": ["u1"],
        "missing_image": ["u2"],
    }


def test_the_other_splits_and_their_tests_have_no_part_in_it(lake: Lake) -> None:
    before, splits = found(lake), lake.read("splits")
    for part in ("train", "test"):
        others = {name: pl.lit(part) for name in (GLOBAL_TEMPORAL, COLD_ITEM)}
        lake.write("splits", splits.with_columns(**others), {})
        assert found(lake) == before


def test_the_page_has_the_verdict_every_reason_and_every_figure() -> None:
    values = np.random.default_rng(0).random(50)
    verdict = judge(
        Measured("new-1", values - 0.5, 0.1),
        Measured("old-1", values, 0.4),
        [Measured("popularity", np.zeros(50))],
        (),
        Health(9, (), {"image": 0.0}),
        Limits(samples=100),
    )
    row = {
        "candidate": "new-1",
        "version": "old-1",
        "before": "old-1",
        "promoted": verdict.promote,
        "reason": verdict.reason,
    }
    page = verdict_page(row, gate_rows(verdict.figures))
    assert page.startswith("## Refused: new-1\n") and verdict.reason in page
    assert "| ndcg_10 | all | 50 | " in page and "-0.5000 [-0.5000, -0.5000] | failed |" in page
    assert "| coverage_10 | all | 50 | 0.1000 | old-1 | 0.4000 | -0.3000 | failed |" in page
    assert "| changed_by_image | all | 9 | 0.0000 |  |  |  | failed |" in page
    assert gate_rows(()).is_empty() and "|" not in verdict_page(row, gate_rows(()))
