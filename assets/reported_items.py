"""What apps put into the catalogue and deleted through the online service, as a table."""

from dataclasses import asdict
from pathlib import Path

import polars as pl

from assets.stage import Stamp
from assets.table_asset import Choices, Making, table_asset
from crossmodal.item_states import ItemsEnd, ItemState, item_states, items_end
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from sources.protocol import ATTRIBUTES, TIMESTAMP

REPORTED_ITEMS = "reported_items"
_FRAME = pl.Schema(
    {
        "position": pl.Int64(),
        "item_id": pl.String(),
        "deleted": pl.Boolean(),
        "title": pl.String(),
        "text": pl.String(),
        "categories": pl.List(pl.String()),
        "attributes": ATTRIBUTES,
        "created_at": TIMESTAMP,
        "media": pl.List(
            pl.Struct({"modality": pl.String, "sha256": pl.String, "mime": pl.String})
        ),
    }
)


def _log_as_it_is(workspace: Workspace) -> Choices:
    return asdict(items_end(workspace.paths.item_log))


@table_asset(choices=_log_as_it_is, group="sources", kinds={"sqlite", "parquet"}, code_version="1")
def reported_items(making: Making) -> None:
    """The newest state of every item that apps have put or deleted, in the order of the log."""
    copy_items(making.lake, making.workspace.paths.item_log, making.stamp)


def copy_items(lake: Lake, log: Path, stamp: Stamp) -> None:
    """Writes the table: what the lake has of former logs, then the log in force.

    A log never forgets an item, so that one which the lake has and the log does not know is of a
    log that was moved away; it has no position.
    """
    states, end = item_states(log)
    now = pl.DataFrame(map(_row, states), schema=_FRAME, orient="row")
    former = lake.read(REPORTED_ITEMS).cast(_FRAME) if lake.exists(REPORTED_ITEMS) else now.clear()
    gone = former.join(now, on="item_id", how="anti", maintain_order="left")
    gone = gone.with_columns(position=pl.lit(None, pl.Int64))
    deleted = int(now["deleted"].sum())
    figures = {"deleted": deleted, "former": gone.height}
    lake.write(REPORTED_ITEMS, pl.concat([gone, now]), stamp, **asdict(end), **figures)


def copied_up_to(lake: Lake) -> ItemsEnd:
    """Up to which change the lake has the items; the start where it has none."""
    if not lake.exists(REPORTED_ITEMS):
        return ItemsEnd()
    summary = lake.version(REPORTED_ITEMS).summary
    return ItemsEnd(**{name: summary[name] for name in asdict(ItemsEnd())})


def _row(item: ItemState) -> tuple[object, ...]:
    attributes = None if item.attributes is None else _named(item.attributes)
    return (
        item.number,
        item.item_id,
        item.deleted,
        item.title,
        item.text,
        item.categories,
        attributes,
        item.created_at,
        [dict(zip(("modality", "sha256", "mime"), file, strict=True)) for file in item.media],
    )


def _named(attributes: dict[str, float]) -> list[dict[str, object]]:
    return [{"name": name, "value": float(value)} for name, value in sorted(attributes.items())]
