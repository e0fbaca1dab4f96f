"""The source looked at without a run: no table is written; a zip that has changed is unpacked."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import dagster as dg

from assets.observed import SOURCE_MEDIA, SOURCE_TABLES, States, states_of
from assets.source_listing import list_files, sha256_of, source_of
from assets.stage import OWNERS
from crossmodal.workspace import Workspace


def current_states(workspace: Workspace) -> States:
    """The states in which the source's files are now.

    Raises:
        SourceError: the files are not there, or cannot be read.
    """
    return states_of(list_files(workspace, source_of(workspace), _remembered, keep=False))


@dg.multi_observable_source_asset(
    specs=[
        dg.AssetSpec(
            SOURCE_TABLES,
            description="The source's own tables, as they lie there now.",
            group_name="sources",
            owners=OWNERS,
            kinds={"file"},
        ),
        dg.AssetSpec(
            SOURCE_MEDIA,
            description="The source's pictures, sounds and videos, as they lie there now.",
            group_name="sources",
            owners=OWNERS,
            kinds={"file"},
        ),
    ]
)
def source_files(workspace: dg.ResourceParam[Workspace]) -> Iterator[dg.ObserveResult]:
    """Looks whether a file has changed, so that what was made from it shows as stale."""
    for name, state in current_states(workspace).items():
        yield dg.ObserveResult(asset_key=name, data_version=dg.DataVersion(state))


def _remembered(path: Path) -> str:
    facts = path.stat()
    return _once(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _once(path: Path, size: int, mtime_ns: int) -> str:
    """The checksum of a file; one of unchanged size and time is not read again."""
    return sha256_of(path)
