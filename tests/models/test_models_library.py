"""docs/library.md, followed to the letter."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "library.md"
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the page defines."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    made: dict[str, Any] = {}
    exec("\n".join(blocks), made)
    return made


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    """Sixty users who choose items of one of three kinds."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user:02d}", f"i{item:02d}", 1.0, START + timedelta(hours=100 * user + place))
        for user in range(60)
        for place, item in enumerate(rng.permutation(np.arange(user % 3, 36, 3)))
    ]
    columns = ["user_id", "item_id", "value", "event_timestamp"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def known(page: dict[str, Any], events: pl.DataFrame) -> Any:
    log = page["indexed_events"](events, events["item_id"].unique().sort().to_list(), seed=42)
    split = page["user_temporal"](log.events, len(log.user_ids))
    return page["dataset"](log, split.train, split.validation, tokens={})


def test_two_models_are_compared_with_an_interval(
    page: dict[str, Any], events: pl.DataFrame
) -> None:
    found = page["compared"](events)
    assert found.n_users == 60 and found.low <= found.mean <= found.high
    assert found.mean > 0


def test_whom_the_model_never_saw_gets_items_of_the_kind_they_liked(
    page: dict[str, Any], events: pl.DataFrame
) -> None:
    listed = page["listed"](known(page, events), ["i01", "i04"])
    assert len(listed) == 10 and not {"i01", "i04"} & set(listed)
    assert {int(name[1:]) % 3 for name in listed[:5]} == {1}


def test_a_network_with_features_is_kept_and_read_again(
    page: dict[str, Any], events: pl.DataFrame, tmp_path: Path
) -> None:
    features = pl.DataFrame(
        {
            "item_id": [f"i{item:02d}" for item in range(36)],
            "event_timestamp": [START] * 36,
            "features": np.eye(3, dtype=np.float32)[np.arange(36) % 3].tolist(),
        }
    )
    model = page["with_features"](events, features)
    assert model.modalities == ("attributes",)
    again = page["kept"](model, tmp_path / "model")
    users = known(page, events).histories()
    np.testing.assert_array_equal(again.score(users), model.score(users))
