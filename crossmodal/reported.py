"""Which reported events are interactions, and how strong each of them is."""

import polars as pl

from crossmodal.event_log import SIGNS_OF_INTEREST
from crossmodal.value_scale import ValueScale

_COUNTED = [*sorted(SIGNS_OF_INTEREST), "review"]


def counted(reports: pl.DataFrame, scale: ValueScale) -> pl.DataFrame:
    """The reports that become interactions, each with a value: signs of interest and reviews.

    Impressions and hides become none. A review has the value 0, since it says that a user knows an
    item but not whether they like it.

    Args:
        reports: event_type, value, and any other columns.
        scale: of the catalogue's own events.
    """
    stated = pl.coalesce("value", pl.when(pl.col("event_type") == "like").then(scale.strong))
    values = (
        pl.when(pl.col("event_type") == "review")
        .then(0.0)
        .otherwise(pl.coalesce(stated, scale.middle))
    )
    return reports.filter(pl.col("event_type").is_in(_COUNTED)).with_columns(value=values)
