"""Which reported events are interactions, and how strong each of them is."""

import polars as pl

from crossmodal.event_log import SIGNS_OF_INTEREST
from crossmodal.value_scale import ValueScale

_COUNTED = [*sorted(SIGNS_OF_INTEREST), "review"]


def counted(reports: pl.DataFrame, scale: ValueScale) -> pl.DataFrame:
    """The reports that become interactions, each with a value: signs of interest and reviews.

    What was shown or hidden is none. A review has the value 0, since it says that a user knows an
    item and not whether they like it.

    Args:
        reports: event_type, value, and whatever else they have.
        scale: of the catalogue's own events.
    """
    given = pl.coalesce("value", pl.when(pl.col("event_type") == "like").then(scale.strong))
    values = (
        pl.when(pl.col("event_type") == "review")
        .then(0.0)
        .otherwise(pl.coalesce(given, scale.middle))
    )
    return reports.filter(pl.col("event_type").is_in(_COUNTED)).with_columns(value=values)
