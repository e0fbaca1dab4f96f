"""From files to the media table: every item's picture and sound, decoded once to be sure."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from assets.automation import after_change_of
from assets.catalogue import catalogue_media
from assets.media_places import MediaPlaces
from assets.pictures import contact_sheet, spectrograms
from assets.placeholders import set_aside_placeholders
from assets.reported_items import REPORTED_ITEMS
from assets.table_asset import Making, table_asset
from crossmodal.lake import Lake
from crossmodal.modalities import MEDIA_KINDS
from crossmodal.workspace import Workspace
from models.media.limits import MediaLimits, media_limits

if TYPE_CHECKING:
    from models.media import DecodePool

_RECORD = {
    "sha256": pl.String,
    "mime": pl.String,
    "bytes": pl.Int64,
    "width": pl.Int32,
    "height": pl.Int32,
    "seconds": pl.Float64,
    "status": pl.String,
    "error": pl.String,
    "note": pl.String,
}
_SHEET_POSTERS = 50
_SHOWN_SOUNDS = 12
_Decoded = TypeVar("_Decoded")


@table_asset(
    inputs=["raw_media", "items"],
    where_filled=[REPORTED_ITEMS],
    choices=lambda workspace: {
        "limits": media_limits(workspace.settings),
        "max_repeated_share": workspace.settings.max_repeated_share,
    },
    pictures=("posters", "spectrograms"),
    automation=after_change_of(),
    group="embeddings",
    kinds={"pillow", "ffmpeg", "parquet"},
    code_version="2",
)
def media(making: Making) -> dict[str, int]:
    """Every item's picture and sound: usable, missing, or broken and why."""
    workspace, lake = making.workspace, making.lake
    limits = media_limits(making.settings)
    files = _files(lake)
    known = _decoded_before(making)
    new = files.drop_nulls("uri").join(known, on=["modality", "content"], how="anti")
    records = pl.concat([known, _inspect(workspace, new, limits)])
    rows = (
        files.join(records, on=["modality", "content"], how="left")
        .with_columns(
            status=pl.col("status").fill_null("missing"),
            sha256=pl.coalesce("sha256", "content"),
        )
        .select("item_id", "modality", "uri", *_RECORD)
        .sort("item_id", "modality")
    )
    rows, placeholders = set_aside_placeholders(rows, making.settings.max_repeated_share)
    _draw(workspace, rows, limits)
    lake.write(
        "media",
        rows,
        making.stamp,
        states=_states(rows),
        why_broken=_why_broken(rows),
        noted=rows["note"].count(),
        placeholders=placeholders.to_dicts(),
    )
    return {"inspected": new.height}


def _files(lake: Lake) -> pl.DataFrame:
    """One row per item and modality with its file, which is a video if there is no other."""
    raw = catalogue_media(lake)
    wanted = (
        lake.scan("items")
        .select("item_id")
        .join(pl.LazyFrame({"modality": MEDIA_KINDS}), how="cross")
    )
    video = raw.filter(pl.col("modality") == "video").select(
        "item_id", video_uri="uri", video_content="content"
    )
    of_modality = raw.select("item_id", "modality", "uri", "content")
    return (
        wanted.join(of_modality, on=["item_id", "modality"], how="left")
        .join(video, on="item_id", how="left")
        .select(
            "item_id",
            "modality",
            uri=pl.coalesce("uri", "video_uri"),
            content=pl.coalesce("content", "video_content"),
        )
        .collect()
    )


def _decoded_before(making: Making) -> pl.DataFrame:
    """Contents that decoded for the last version of the table, by the same code and limits.

    A broken file is tried again: it may only have been slow on a busy machine.
    """
    columns = {"modality": pl.String, "content": pl.String, **_RECORD}
    lake, stamp = making.lake, making.stamp
    before = lake.version("media").stamp if lake.exists("media") else {}
    other = any(before.get(name) != stamp[name] for name in ("code", "choice:limits"))
    if other or making.forced:
        return pl.DataFrame(schema=columns)
    return (
        lake.scan("media")
        .filter((pl.col("status") == "ok") & pl.col("sha256").is_not_null())
        .with_columns(content="sha256")
        .select(list(columns))
        .unique(["modality", "content"], keep="first", maintain_order=True)
        .collect()
    )


def _inspect(workspace: Workspace, files: pl.DataFrame, limits: MediaLimits) -> pl.DataFrame:
    """Decodes files that were never seen; one row per modality and content."""
    from models.media import DecodePool

    schema = {"modality": pl.String, "content": pl.String, **_RECORD}
    files = files.unique(["modality", "content"], keep="first", maintain_order=True)
    if files.is_empty():
        return pl.DataFrame(schema=schema)
    records: list[dict[str, Any]] = []
    for root, below in MediaPlaces(workspace).by_root(files):
        with DecodePool(root, limits, workers=workspace.settings.media_workers) as pool:
            records += [
                {"modality": modality, "content": content, **facts}
                for modality in MEDIA_KINDS
                for content, facts in _records(workspace, pool, below, modality)
            ]
    return pl.DataFrame(records, schema=schema)


def _records(
    workspace: Workspace, pool: "DecodePool", files: pl.DataFrame, modality: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each file holds of one modality, by content."""
    from models.media import MediaError, MediaRecord
    from models.media.wire import Payload

    chosen = files.filter(pl.col("modality") == modality)
    tasks = chosen.select("content", "uri").iter_rows()
    inspected: Iterator[tuple[str, Payload | MediaError]] = pool.map(
        "inspect", tasks, {"modality": modality}
    )
    for done, (content, payload) in enumerate(inspected, start=1):
        workspace.progress(f"Inspecting {modality} files", done, chosen.height)
        if isinstance(payload, MediaError):
            yield content, MediaRecord(status="broken", error=str(payload)).as_dict()
        else:
            yield content, payload.facts


def _states(rows: pl.DataFrame) -> list[dict[str, object]]:
    return rows.group_by("modality", "status").len("files").sort("modality", "status").to_dicts()


def _why_broken(rows: pl.DataFrame) -> list[dict[str, object]]:
    broken = rows.filter(pl.col("status") == "broken")
    return broken.group_by("modality", "error").len("files").sort("modality", "error").to_dicts()


def _draw(workspace: Workspace, rows: pl.DataFrame, limits: MediaLimits) -> None:
    """The first posters and sounds, as people would look at them."""
    from models.media.audio import SAMPLE_RATE, decode_audio
    from models.media.images import decode_image

    places = MediaPlaces(workspace)
    usable = places.without_gone(rows.filter(pl.col("status") == "ok"))
    pictures = usable.filter(
        (pl.col("modality") == "image") & pl.col("mime").str.starts_with("image/")
    )
    posters = list(_decoded(decode_image, places, pictures["uri"].head(_SHEET_POSTERS), limits))
    sounds = usable.filter(pl.col("modality") == "audio").head(_SHOWN_SOUNDS)
    named = dict(sounds.select("item_id", "uri").iter_rows())
    waves = {
        item: wave
        for item, uri in named.items()
        for wave in _decoded(decode_audio, places, [uri], limits)
    }
    folder = workspace.paths.pictures
    for name, shown, draw in (
        ("posters", posters, lambda path: contact_sheet(path, posters)),
        ("spectrograms", waves, lambda path: spectrograms(path, waves, SAMPLE_RATE)),
    ):
        path = folder / f"{name}.png"
        path.unlink(missing_ok=True)
        if shown:
            draw(path)


def _decoded(
    decode: Callable[[Path, MediaLimits], _Decoded],
    places: MediaPlaces,
    uris: Iterable[str],
    limits: MediaLimits,
) -> Iterator[_Decoded]:
    """The files that can be read now: an app may have replaced one since it was inspected."""
    from models.media import MediaError

    for uri in uris:
        with suppress(MediaError):
            yield decode(places.file(uri), limits)
