"""The one guard of all that asks fitted models about held-out events."""

from collections.abc import Iterable

import dagster as dg

from assets.registry import open_registry
from assets.stage import input_version
from assets.training import fitted_versions
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE, ModelEntry


def require_current(workspace: Workspace, entries: Iterable[ModelEntry] = CATALOGUE) -> None:
    """Refuses models of other splits: what they learned from may be test events now.

    A night makes new splits and fits none of the judged models again.

    Args:
        workspace: holds the models.
        entries: which of them are asked; all by default.

    Raises:
        dg.Failure: a model was fitted to other splits.
    """
    registry, now = open_registry(workspace), input_version(workspace.lake, "splits")
    for entry in entries:
        for version in fitted_versions(workspace.lake, entry.name).values():
            if registry.version(version).data_versions.get("splits") != now:
                raise dg.Failure(
                    f"{version} was fitted to other splits than those that would judge it; "
                    "`crossmodal run` fits it again first."
                )
