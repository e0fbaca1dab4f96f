"""Checks that passed on a content are not run on it again."""

import json
from collections.abc import Callable

import dagster as dg

from assets.stage import input_version
from crossmodal.atomic import atomic_write_bytes
from crossmodal.workspace import Workspace

_RULES = "1"
"""Raised when a check became stricter: what had passed before is looked at again."""


def remembered(
    workspace: Workspace,
    asset: str,
    name: str,
    test: Callable[[Workspace], dg.AssetCheckResult],
) -> dg.AssetCheckResult:
    """The finding of a check, from memory where it passed on exactly this content and settings.

    A failed check is never remembered.
    """
    file = workspace.paths.checks
    known = json.loads(file.read_bytes()) if file.is_file() else {}
    limit = workspace.settings.max_reject_share
    content = f"{_RULES} {input_version(workspace.lake, asset)} {limit}"
    entry = known.get(f"{asset}/{name}")
    if entry is not None and entry["content"] == content:
        description = f"{entry['description']} (unchanged since it was checked)"
        return dg.AssetCheckResult(passed=True, description=description)
    found = test(workspace)
    if found.passed:
        known[f"{asset}/{name}"] = {"content": content, "description": found.description}
        atomic_write_bytes(file, json.dumps(known, indent=2).encode())
    return found
