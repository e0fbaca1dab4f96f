"""Checks that passed on a content are not run on it again."""

import hashlib
import json
from collections.abc import Callable

import dagster as dg

from assets.stage import input_version
from crossmodal.atomic import atomic_write_bytes
from crossmodal.json_notes import read_note
from crossmodal.workspace import Workspace

_RULES = "4"
"""Raised when a check became stricter: what had passed before is looked at again."""


def remembered(
    workspace: Workspace,
    asset: str,
    name: str,
    test: Callable[[Workspace], dg.AssetCheckResult],
    further: tuple[str, ...] = (),
    state: str = "",
) -> dg.AssetCheckResult:
    """The result of a check, from memory if it passed on exactly this content and state.

    A failed check is never remembered.

    Args:
        workspace: whose tables are checked.
        asset: the checked table.
        name: of the check.
        test: runs the check.
        further: other tables that the test reads.
        state: what the test reads besides tables: a setting, or a mark of a file.
    """
    file = workspace.paths.checks
    known = read_note(file)
    versions = " ".join(input_version(workspace.lake, table) for table in (asset, *further))
    content = f"{_RULES} {versions} {_summary(workspace, asset)} {state}"
    entry = known.get(f"{asset}/{name}")
    if isinstance(entry, dict) and entry.get("content") == content:
        description = f"{entry.get('description')} (unchanged since it was checked)"
        return dg.AssetCheckResult(passed=True, description=description)
    result = test(workspace)
    if result.passed:
        known[f"{asset}/{name}"] = {"content": content, "description": result.description}
        atomic_write_bytes(file, json.dumps(known, indent=2).encode())
    return result


def _summary(workspace: Workspace, table: str) -> str:
    """A digest of the figures that a table carries, which a check may judge too."""
    if workspace.lake.partitions(table):
        return ""
    figures = json.dumps(workspace.lake.version(table).summary, sort_keys=True, default=str)
    return hashlib.sha256(figures.encode()).hexdigest()[:16]
