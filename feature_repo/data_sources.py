"""The lake's Parquet tables, as Feast sees them.

The paths are those of the default home and absolute, because Feast's DuckDB store resolves a
relative path against the working folder. `feature_repo.catalogue` moves them to another home.
"""

from pathlib import Path

from feast import FileSource, PushSource
from feast.data_format import ParquetFormat

from crossmodal.modalities import MODALITIES
from feature_repo.entities import OWNER

DEFAULT_LAKE = Path(__file__).resolve().parent.parent / ".crossmodal" / "lake"


def _table(name: str, description: str, names: dict[str, str] | None = None) -> FileSource:
    """A table of the lake; `names` says what its columns are called as features."""
    return FileSource(
        name=name,
        path=str(DEFAULT_LAKE / f"{name}.parquet"),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
        field_mapping=names,
        description=description,
        owner=OWNER,
        tags={"layer": "lake"},
    )


# Views of several modalities are read together, and a feature's name must say which one it is of.
embeddings_sources = {
    modality: _table(
        f"{modality}_embeddings",
        f"Embeddings of the items' {modality}: in the shared space, and the tower's own.",
        {name: f"{modality}_{name}" for name in ("embedding", "encoder", "features")},
    )
    for modality in MODALITIES
}

taste_sources = {
    modality: _table(
        f"user_taste_{modality}",
        f"Snapshots of the mean {modality} embedding of what a user did.",
        {"embedding": f"{modality}_taste"},
    )
    for modality in MODALITIES
}

item_statistics_source = _table(
    "item_statistics", "Cumulative statistics of an item, one row an instant with events."
)
user_statistics_source = _table(
    "user_statistics", "Cumulative statistics of a user, one row an instant with events."
)
user_recommendations_source = _table(
    "user_recommendations", "The newest list of every user, one row a user."
)

# `feature_repo.provider` puts what is pushed here into the event log, as the service does; a run
# takes it from there into the table.
reported_events_source = _table("reported_events", "What apps reported, one row an event.")
events_source = PushSource(
    name="events",
    batch_source=reported_events_source,
    description="Takes events: event_id, user_id (pseudonym), item_id, event_type, and where there "
    "are any value, text, request_id, rank, event_timestamp (now by default).",
    owner=OWNER,
    tags={"layer": "log"},
)
