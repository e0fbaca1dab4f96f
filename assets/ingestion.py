"""Raw files to clean tables: take stock, clean, then publish month by month."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial

import dagster as dg
import polars as pl

from assets.catalogue import catalogue, catalogue_ids, without_deleted
from assets.observed import SOURCE_MEDIA, SOURCE_TABLES, content_of, seen_by_run
from assets.partitions import chose_months, month_of, months, months_of_run, record_months
from assets.published_months import drop_months_not_in, publish_month
from assets.reported_events import reported_interactions
from assets.reported_items import REPORTED_ITEMS
from assets.retrying import retrying
from assets.source_listing import list_files, sha256_of, source_of
from assets.stage import OWNERS, Context, column_metadata, filled, made_from, materialize_table
from assets.table_asset import Making, table_asset
from crossmodal.lake import Lake
from crossmodal.log_position import START, LogPosition
from crossmodal.pseudonyms import key_identity, pseudonymize
from crossmodal.published_events import record_published, scale_summary
from crossmodal.settings import remember_source
from crossmodal.value_scale import ValueScale
from crossmodal.workspace import KEY_IDENTITY, Workspace
from sources.catalogue import source_entry
from sources.protocol import Source
from sources.rejects import IN_THE_FUTURE

_listing = partial(
    dg.AssetSpec, group_name="sources", owners=OWNERS, kinds={"file"}, code_version="1"
)
_table = partial(dg.AssetSpec, group_name="ingestion", owners=OWNERS, kinds={"polars", "parquet"})


@dg.multi_asset(
    specs=[
        _listing(
            "raw_interactions",
            deps=[SOURCE_TABLES],
            description="The files that hold what users did, with their checksums.",
        ),
        _listing(
            "raw_items",
            deps=[SOURCE_TABLES],
            description="The files that hold the catalogue, with their checksums.",
        ),
        _listing(
            "raw_media",
            deps=[SOURCE_MEDIA],
            description="Every picture, sound and video file of the items, with its checksum.",
        ),
    ],
)
def raw_files(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> Iterator[dg.MaterializeResult]:
    """Fetches the source and takes stock of its files."""
    with retrying(context, workspace.settings):
        source = source_of(workspace)
        source.fetch(workspace.progress)
        listings = list_files(workspace, source)
        seen_by_run(context, listings)
        for name, listing in listings.items():
            yield _publish_listing(context, workspace, name, listing, source.name)


@dg.multi_asset(
    specs=[
        _table(
            "staged_interactions",
            deps=["raw_interactions", "raw_items", "reported_events", REPORTED_ITEMS],
            description="Every usable event, of the source and of the apps, under a pseudonym.",
            code_version="5",
        ),
        _table(
            "staged_items",
            deps=["raw_items", "raw_interactions"],
            description="Every usable item of the source's catalogue.",
            code_version="3",
        ),
        _table(
            "rejects",
            deps=["raw_interactions", "raw_items"],
            description="Every row that could not be used: its file, its row number and why.",
            code_version="3",
        ),
        _table(
            "repairs",
            deps=["raw_interactions", "raw_items"],
            description="Fields that say nothing usable and count as absent, by column and kind.",
            code_version="2",
        ),
    ],
)
def cleaned_source(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> Iterator[dg.MaterializeResult]:
    """Reads the source's tables and splits every row into usable or rejected."""
    source = source_of(workspace)
    lake = workspace.lake
    files = ("raw_interactions", "raw_items")
    inputs = {
        "staged_items": files,
        "staged_interactions": (*files, "reported_events", *filled(lake, [REPORTED_ITEMS])),
        "rejects": files,
        "repairs": files,
    }
    reading = _reading_choices(workspace)
    stamps = {
        name: made_from(context, workspace, *read, key=name, **reading)
        for name, read in inputs.items()
    }

    def make_items() -> None:
        lake.write("staged_items", source.items().frame.collect(), stamps["staged_items"])

    def make_interactions() -> None:
        events = pseudonymize(source.interactions().frame, workspace.id_key())
        item_ids = catalogue_ids(lake)
        scale = ValueScale.of(events.filter(pl.col("value") > 0)["value"].to_numpy())
        events, deleted = without_deleted(lake, events)
        if deleted:
            context.log.info(f"{deleted:,} events of the source are about items that apps deleted.")
        reported, unknown = reported_interactions(lake, scale, item_ids)
        if unknown:
            context.log.warning(
                f"{unknown:,} reported events are about items that the catalogue no longer has; "
                "they stay in reported_events."
            )
        frame = pl.concat([events, reported])
        frame = frame.sort("event_timestamp", "user_id", "item_id", "event_type")
        lake.write(
            "staged_interactions",
            frame,
            stamps["staged_interactions"],
            users=frame["user_id"].n_unique(),
            items=frame["item_id"].n_unique(),
            months=frame.select(month_of().unique().sort()).to_series().to_list(),
            newest=str(frame["event_timestamp"].max()),
            timeless=source.timeless,
            reported=reported.height,
            **(LogPosition.of(lake, "reported_events") or START).summary(),
            **scale_summary(scale),
        )

    def make_rejects() -> None:
        rejects = _rejects(source)
        usable = lake.version("staged_interactions").rows + lake.version("staged_items").rows
        lake.write(
            "rejects",
            rejects,
            stamps["rejects"],
            by_reason=rejects.group_by("reason").len("rows").sort("reason").to_dicts(),
            share=rejects.height / max(usable + rejects.height, 1),
            events=lake.version("staged_interactions").rows,
            first=rejects.unique("reason", keep="first", maintain_order=True).to_dicts(),
        )

    def make_repairs() -> None:
        repairs = pl.concat([source.items().repairs, source.interactions().repairs]).collect()
        lake.write("repairs", repairs, stamps["repairs"], fields=int(repairs["rows"].sum()))

    makers = (make_items, make_interactions, make_rejects, make_repairs)
    with retrying(context, workspace.settings):
        for name, make in zip(inputs, makers, strict=True):
            yield materialize_table(context, workspace, name, stamps[name], make, key=name)
    # Runs of the web UI can be given a source too; later ones read the same, as on a command line.
    remember_source(workspace.settings)


@table_asset(
    inputs=["staged_items"],
    where_filled=[REPORTED_ITEMS],
    after=["rejects"],
    group="ingestion",
    kinds={"polars", "parquet"},
    code_version="1",
)
def items(making: Making) -> None:
    """The catalogue: title, text, categories and named numbers of every item."""
    frame = catalogue(making.lake).sort("item_id")
    categories = frame["categories"].explode().drop_nulls()
    making.lake.write("items", frame, making.stamp, categories=categories.n_unique())


@dg.asset(
    deps=["staged_interactions", "rejects"],
    partitions_def=months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingestion",
    owners=OWNERS,
    kinds={"polars", "parquet"},
    code_version="1",
)
def interactions(context: Context, workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult:
    """What users did, one Parquet file a month; an unchanged month is not touched."""
    with retrying(context, workspace.settings):
        return _published(context, workspace)


def _published(context: Context, workspace: Workspace) -> dg.MaterializeResult:
    lake, forced = workspace.lake, "interactions" in workspace.forced
    staged = lake.scan("staged_interactions").with_columns(month=month_of())
    known = lake.version("staged_interactions").summary["months"]
    chosen = months_of_run(context, known)
    rows = staged.filter(pl.col("month").is_in(chosen)).collect()
    written = [
        key
        for (key,), frame in rows.partition_by("month", as_dict=True, include_key=False).items()
        if publish_month(lake, str(key), frame, again=forced)
    ]
    gone = drop_months_not_in(lake, staged)
    # Some months alone, as one may choose in the web UI, leave the others as they were.
    if set(known).issubset(chosen):
        record_published(lake)
    version = dg.DataVersion(lake.partitioned_version("interactions"))
    if not chose_months(context):
        record_months(context, chosen, version)
    state = f"{len(written)} months written" if written else "unchanged, kept"
    context.log.info(
        f"interactions: {rows.height:,} rows in {rows['month'].n_unique()} months, {state}"
    )
    # Of all months, those of earlier runs included: some months alone would look like a loss.
    events_of_all = lake.scan_partitions("interactions")
    whole = events_of_all.select(pl.len().alias("events"), pl.col("user_id", "item_id").n_unique())
    events, users, items = whole.collect().row(0)
    return dg.MaterializeResult(
        data_version=version,
        metadata={
            "dagster/row_count": events,
            **column_metadata(
                "interactions", events_of_all.collect_schema(), ["staged_interactions"]
            ),
            "users": users,
            "items": items,
            "months_written": sorted(written),
            "months_dropped": gone,
            "kept": not written,
        },
    )


def _publish_listing(
    context: Context, workspace: Workspace, name: str, listing: pl.DataFrame, source: str
) -> dg.MaterializeResult:
    stamp = made_from(context, workspace, key=name, content=content_of(listing), source=source)
    return materialize_table(
        context,
        workspace,
        name,
        stamp,
        lambda: _write_listing(workspace.lake, name, listing, stamp),
        key=name,
    )


def _write_listing(lake: Lake, name: str, listing: pl.DataFrame, stamp: dict[str, str]) -> None:
    lake.write(name, listing, stamp, total_bytes=int(listing["bytes"].sum()))


def _rejects(source: Source) -> pl.DataFrame:
    return pl.concat([source.items().rejects, source.interactions().rejects]).collect()


def _day_where_rows_wait(lake: Lake) -> date | None:
    """Today where the last reading left out rows whose time had not come; None without such rows.

    On another day their time may have come, though no file has changed.
    """
    if not lake.exists("rejects"):
        return None
    waiting = lake.scan("rejects").filter(pl.col("detail").str.starts_with(IN_THE_FUTURE))
    return None if waiting.head(1).collect().is_empty() else datetime.now(UTC).date()


def _reading_choices(workspace: Workspace) -> dict[str, str]:
    """What decides how rows are read besides the rows: the source, its mapping, the key."""
    settings = workspace.settings
    entry = source_entry(settings.source)
    mapping = settings.source_path if entry is not None and entry.one_file else None
    return {
        "source": settings.source,
        "mapping": "" if mapping is None else sha256_of(mapping),
        "earliest": str(settings.earliest_event),
        "latest": str(settings.latest_event or _day_where_rows_wait(workspace.lake)),
        KEY_IDENTITY: key_identity(workspace.id_key()),
    }
