"""One catalogue of the source's items and of those that apps put: by one rule, without a memory.

What an app has put holds over what the source says; the source fills in what was not put. It is how
the online service answers too, and it does not depend on when a run looked.
"""

import polars as pl

from assets.reported_items import REPORTED_ITEMS
from crossmodal.lake import Lake
from crossmodal.uploads import UPLOADED
from sources.protocol import ATTRIBUTES

_STAGED = "staged_items"


def catalogue(lake: Lake) -> pl.DataFrame:
    """Every item: those of the source and of the apps, without those that apps have deleted."""
    staged = lake.read(_STAGED)
    put = _put(lake)
    if put is None:
        return staged
    kept = staged.join(_deleted(put), on="item_id", how="anti", maintain_order="left")
    said = put.filter(~pl.col("deleted") & pl.col("title").is_not_null())
    both = kept.join(said, on="item_id", how="full", coalesce=True, suffix=":put")
    merged = both.with_columns(
        **{name: pl.coalesce(f"{name}:put", name) for name in ("title", "text", "categories")},
        attributes=_merged_numbers(both),
        # It has been there since whoever knew it first.
        created_at=pl.min_horizontal("created_at:put", "created_at"),
    )
    return merged.select(staged.columns)


def catalogue_ids(lake: Lake) -> pl.Series:
    """The ids of `catalogue`, without reading what the items are."""
    staged = lake.scan(_STAGED).select("item_id").collect().to_series()
    put = _put(lake)
    if put is None:
        return staged
    said = put.filter(~pl.col("deleted") & pl.col("title").is_not_null())["item_id"]
    known = pl.concat([staged, said]).unique(maintain_order=True)
    return known.filter(~known.is_in(_deleted(put)["item_id"].implode()))


def without_deleted(lake: Lake, events: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The events about items that no app has deleted, and how many others there are."""
    put = _put(lake)
    if put is None:
        return events, 0
    kept = events.join(_deleted(put), on="item_id", how="anti", maintain_order="left")
    return kept, events.height - kept.height


def catalogue_media(lake: Lake) -> pl.LazyFrame:
    """item_id, modality, uri and content of every file: an app's own in place of the source's."""
    files = lake.scan("raw_media").select("item_id", "modality", "uri", content="sha256")
    put = _put(lake)
    if put is None:
        return files
    given = put.filter(~pl.col("deleted")).select("item_id", "media").explode("media")
    own = given.drop_nulls("media").unnest("media")
    own = own.select(
        "item_id", "modality", uri=pl.lit(UPLOADED) + pl.col("sha256"), content="sha256"
    )
    others = files.join(own.lazy(), on=["item_id", "modality"], how="anti", maintain_order="left")
    return pl.concat([others, own.lazy()])


def _put(lake: Lake) -> pl.DataFrame | None:
    """What apps have put and deleted; None where they never did."""
    if not lake.exists(REPORTED_ITEMS) or not lake.version(REPORTED_ITEMS).rows:
        return None
    return lake.read(REPORTED_ITEMS)


def _deleted(put: pl.DataFrame) -> pl.DataFrame:
    return put.filter("deleted").select("item_id")


def _merged_numbers(both: pl.DataFrame) -> pl.Series:
    """Per item its named numbers, sorted by name: an app's own, and the source's of other names."""
    columns = both.select(
        pl.coalesce("attributes", pl.lit([], dtype=ATTRIBUTES)),
        pl.coalesce("attributes:put", pl.lit([], dtype=ATTRIBUTES)),
    )
    merged = [
        [{"name": name, "value": value} for name, value in sorted(_by_name(*row).items())]
        if row[1]
        else row[0]
        for row in columns.iter_rows()
    ]
    return pl.Series("attributes", merged, dtype=ATTRIBUTES)


def _by_name(*lists: list[dict[str, object]]) -> dict[object, object]:
    return {number["name"]: number["value"] for numbers in lists for number in numbers}
