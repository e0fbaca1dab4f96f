"""When a run last made tables or found them current."""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from crossmodal.workspace import Workspace
from orchestration.finished import last_finished


def current_at(
    workspace: Workspace, instance: dg.DagsterInstance, names: Iterable[str]
) -> dict[str, datetime]:
    """The last instant, in UTC, by table; without those that no run has made.

    Args:
        workspace: of the home.
        instance: of the home.
        names: of the tables' assets.
    """
    all_current_at, current = last_finished(workspace)
    events = instance.get_latest_materialization_events([dg.AssetKey(name) for name in names])
    made = {key.to_user_string(): event.timestamp for key, event in events.items() if event}
    found = {name: datetime.fromtimestamp(at, UTC) for name, at in made.items()}
    if all_current_at is None:
        return found
    return {name: max(at, all_current_at) if name in current else at for name, at in found.items()}
