"""What the last whole run left: where nothing has changed since, the next one has nothing to do.

Dagster takes tenths of a second for each asset that it keeps. Whether any of them can have changed
is seen from files and settings alone.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from crossmodal.atomic import atomic_write_bytes
from crossmodal.modalities import DECLARED
from crossmodal.workspace import Workspace
from feature_repo.home_repo import definitions_version
from models.encoders.fingerprints import fingerprint_of
from models.media.limits import media_limits
from models.search.best_settings import best_file

_CODE = ("assets", "crossmodal", "feature_repo", "models", "orchestration", "sources")
_CHANGES_NO_TABLE = ("alert_", "serve_", "unattended")
_PASSING = ("-shm", "-journal", ".lock")


class Finished(BaseModel):
    """What a whole run left.

    Attributes:
        choices: by which code, settings and encoders it worked.
        state: of the files that assets keep.
        assets: that were current.
        at: when a run last found them so; None in the file of an older platform.
        failed_checks: what checks found amiss in them that stops nothing, a sentence each.
    """

    choices: str
    state: str
    assets: tuple[str, ...]
    at: datetime | None = None
    failed_checks: tuple[str, ...] = ()


def choices_in_force(workspace: Workspace) -> str:
    """A digest of what decides how everything is made, besides the source: code and settings."""
    settings = workspace.settings
    chosen = {
        name: value
        for name, value in settings.model_dump(mode="json", exclude={"home"}).items()
        if not name.startswith(_CHANGES_NO_TABLE)
    }
    # Of a folder with an encoder of one's own the files may change while its name stays.
    chosen["encoders"] = [
        fingerprint_of(modality.media or "text", modality.encoder(settings), media_limits(settings))
        for modality in DECLARED
    ]
    chosen["definitions"] = definitions_version()
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode())
    # A file that is not there is named where it is read.
    tuned = [path for path in [best_file(settings.tuned)] if path.is_file()]
    # By their bytes: in images and checkouts, times of files may all be one.
    for path in [*_code(), *tuned]:
        digest.update(f"{path.name} ".encode() + path.read_bytes())
    return digest.hexdigest()


def remember_finished(
    workspace: Workspace,
    choices: str,
    assets: Sequence[str],
    failed_checks: Sequence[str] = (),
) -> None:
    """Notes that these assets are current.

    Args:
        workspace: of the run.
        choices: that were in force when the run began: what changed meanwhile made nothing.
        assets: their names.
        failed_checks: what checks found amiss in them that stops nothing: it is said again.
    """
    found = Finished(
        choices=choices,
        state=_state(workspace),
        assets=tuple(assets),
        at=datetime.now(UTC),
        failed_checks=tuple(failed_checks),
    )
    atomic_write_bytes(workspace.paths.finished, found.model_dump_json().encode())


def still_finished(workspace: Workspace, choices: str, shown: Collection[str]) -> Finished | None:
    """What the last whole run left, where nothing has changed since; None where it may have.

    What the source's own files say is not looked at.

    Args:
        workspace: of the run.
        choices: that are in force.
        shown: assets that Dagster knows to be materialized: its folder may have been deleted.
    """
    known = _known(workspace)
    if known is None:
        return None
    same = known.choices == choices and known.state == _state(workspace)
    return known if same and set(known.assets) <= set(shown) else None


def last_finished(workspace: Workspace) -> tuple[datetime | None, frozenset[str]]:
    """When a run last found everything current, and which assets that were."""
    known = _known(workspace)
    return (None, frozenset()) if known is None else (known.at, frozenset(known.assets))


def _known(workspace: Workspace) -> Finished | None:
    try:
        return Finished.model_validate_json(workspace.paths.finished.read_bytes())
    except (OSError, ValidationError):
        return None


def _state(workspace: Workspace) -> str:
    """A digest of the files that assets keep, whatever else may be written next to them."""
    paths = workspace.paths
    folders = (paths.lake, paths.models, paths.alignment, paths.pictures, paths.feast)
    digest = hashlib.sha256()
    for path in (path for folder in folders for path in sorted(folder.rglob("*"))):
        try:
            facts = path.stat()
        except FileNotFoundError:
            # A passing file of somebody who reads or writes at the moment.
            continue
        # An SQLite log that is empty was made by someone who only reads.
        read_only = path.name.endswith("-wal") and not facts.st_size
        if path.is_file() and not path.name.endswith(_PASSING) and not read_only:
            digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _code() -> Iterator[Path]:
    root = Path(__file__).resolve().parent.parent
    for package in _CODE:
        found = sorted(path for path in (root / package).rglob("*") if path.is_file())
        yield from (path for path in found if "__pycache__" not in path.parts)
