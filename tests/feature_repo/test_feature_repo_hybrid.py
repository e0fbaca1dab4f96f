"""What the hybrid counts of users and items, beside Feast's rows of the same instant."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from feature_lake import START, interactions  # type: ignore[import-not-found]

from crossmodal.paths import StatePaths
from feature_repo.store import historical
from models.assembly import indexed_events
from models.data import Histories
from models.hmdf.statistics import NAMES, ItemStatistics, statistics_of

CUT = START + timedelta(days=30)
DAY = 86_400_000_000


@pytest.mark.slow
def test_the_hybrid_counts_what_feast_knew_at_that_instant(filled: StatePaths) -> None:
    past = interactions().filter(pl.col("event_timestamp") < CUT)
    log = indexed_events(past, sorted({f"i{index}" for index in range(40)}), seed=0)
    users = np.arange(len(log.user_ids), dtype=np.int32)
    rows, items = (part.ravel() for part in np.meshgrid(users, np.arange(40), indexing="ij"))
    counted = statistics_of(
        ItemStatistics.of(log.events, 40), Histories.of(log.events, users), rows, items
    )
    asked = pl.DataFrame(
        {
            "user_id": [log.user_ids.ids[row] for row in rows],
            "item_id": [log.item_ids.ids[item] for item in items],
        }
    ).with_columns(event_timestamp=pl.lit(CUT).cast(pl.Datetime("us", "UTC")))
    known = historical(filled, asked, "ranking")

    def column(name: str) -> np.ndarray:
        return known[name].cast(pl.Float64).fill_null(np.nan).to_numpy()

    now = column("user_statistics__user_last_event_at")
    expected = {
        "user_events": np.log1p(column("user_statistics__user_n_events")),
        "user_mean_value": column("user_statistics__user_value_mean"),
        "item_events": np.log1p(np.nan_to_num(column("item_statistics__item_n_events"))),
        "item_mean_value": column("item_statistics__item_value_mean"),
        "days_since_item_was_chosen": (now - column("item_statistics__item_last_event_at")) / DAY,
        "days_since_item_was_first_chosen": (now - column("item_statistics__item_first_event_at"))
        / DAY,
    }
    for name, of_feast in expected.items():
        ours = counted[:, NAMES.index(name)]
        np.testing.assert_allclose(ours, of_feast, rtol=1e-5, atol=1e-5, err_msg=name)
