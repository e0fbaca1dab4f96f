"""Checks that the online store and the offline one say the same."""

from collections.abc import Sequence
from datetime import timedelta

from assets.features import RECOMMENDATIONS_VIEW, newest_event
from crossmodal.workspace import Workspace
from orchestration.checks.finding import Finding, finding

_CONSISTENCY_KEYS = 200


def features_agree(workspace: Workspace) -> Finding:
    """The same random keys of the features read the same online and offline."""
    from feature_repo.catalogue import ONLINE_VIEWS

    return _stores_agree(workspace, [name for name in ONLINE_VIEWS if name != RECOMMENDATIONS_VIEW])


def lists_agree(workspace: Workspace) -> Finding:
    """The same random users' lists read the same online and offline."""
    return _stores_agree(workspace, [RECOMMENDATIONS_VIEW])


def online_file(workspace: Workspace) -> str:
    """Which state of the online store's file is judged: anyone may write it by Feast's commands."""
    path = workspace.paths.online_store
    if not path.is_file():
        return ""
    facts = path.stat()
    return f" {facts.st_size} {facts.st_mtime_ns}"


def _stores_agree(workspace: Workspace, views: Sequence[str]) -> Finding:
    from feature_repo.consistency import consistency

    as_of = newest_event(workspace.lake) + timedelta(seconds=1)
    report = consistency(
        workspace.paths, views, as_of, n_keys=_CONSISTENCY_KEYS, seed=workspace.settings.seed
    )
    return finding(
        report.agrees,
        f"{report.values:,} values of {sum(report.keys.values()):,} keys compared, "
        f"{report.n_disagreements:,} differ. {' '.join(map(str, report.disagreements))}".strip()
        + ("" if report.agrees else f" Delete {workspace.paths.online_store} and run again."),
    )
