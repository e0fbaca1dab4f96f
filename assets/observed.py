"""The state of the source's files as Dagster knows it, so that what has changed shows as stale."""

import hashlib
from collections.abc import Mapping

import dagster as dg
import polars as pl
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from assets.stage import Context
from crossmodal.lake import Lake

SOURCE_TABLES, SOURCE_MEDIA = "source_tables", "source_media"
LISTED_IN = {SOURCE_TABLES: ("raw_interactions", "raw_items"), SOURCE_MEDIA: ("raw_media",)}
"""Which lists of files make up a state."""

Listings = Mapping[str, pl.DataFrame]
"""Files with their checksums, by the asset that lists them."""

States = Mapping[str, str]
"""A digest of each of the two states."""


def content_of(listing: pl.DataFrame) -> str:
    """A digest of a list of files."""
    return hashlib.sha256(listing.write_csv().encode()).hexdigest()


def states_of(listings: Listings) -> States:
    """The states of the source whose files these are."""
    return {
        name: hashlib.sha256(
            "".join(content_of(listings[of]) for of in lists).encode()
        ).hexdigest()[:16]
        for name, lists in LISTED_IN.items()
    }


def states_in(lake: Lake) -> States:
    """The states that the last run has seen; none where no run has listed the files yet."""
    names = [name for lists in LISTED_IN.values() for name in lists]
    if not all(map(lake.exists, names)):
        return {}
    return states_of({name: lake.read(name) for name in names})


def observations(states: States) -> list[dg.AssetObservation]:
    """The states as events."""
    return [
        dg.AssetObservation(name, tags={DATA_VERSION_TAG: state}) for name, state in states.items()
    ]


def seen_by_run(context: Context, listings: Listings) -> None:
    """Tells Dagster in which state a run found the source, before it lists the files.

    Otherwise what the run makes would count as made from what was seen last, and show as stale
    with the next look.
    """
    step = context.get_step_execution_context()
    for observation in observations(states_of(listings)):
        context.instance.report_runless_asset_event(observation)
        step.wipe_input_asset_version_info(observation.asset_key)
