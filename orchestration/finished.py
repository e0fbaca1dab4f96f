"""What the last whole run left: where nothing has changed since, the next one has nothing to do.

Dagster takes tenths of a second for each asset that it keeps. Whether any of them can have changed
is seen from files and settings alone.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from crossmodal.atomic import atomic_write_bytes
from crossmodal.workspace import Workspace

_CODE = ("assets", "crossmodal", "feature_repo", "models", "orchestration", "sources")
_OF_THE_SERVICE = "serve_"


class _Finished(BaseModel):
    """What a whole run left.

    Attributes:
        mark: of files, code and settings.
        assets: that were current.
    """

    mark: str
    assets: tuple[str, ...]


def remember_finished(workspace: Workspace, assets: Sequence[str]) -> None:
    """Notes that these assets are current, by which files, code and settings."""
    found = _Finished(mark=_mark(workspace), assets=tuple(assets))
    atomic_write_bytes(workspace.paths.finished, found.model_dump_json().encode())


def current_assets(workspace: Workspace) -> tuple[str, ...] | None:
    """The assets of the last whole run, where nothing has changed since; None where it may have.

    What the source's own files say is not looked at.
    """
    try:
        known = _Finished.model_validate_json(workspace.paths.finished.read_bytes())
    except (OSError, ValidationError):
        return None
    return known.assets if known.mark == _mark(workspace) else None


def _mark(workspace: Workspace) -> str:
    settings = workspace.settings
    chosen = {
        name: value
        for name, value in settings.model_dump(mode="json", exclude={"home"}).items()
        if not name.startswith(_OF_THE_SERVICE)
    }
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode())
    tuned = Path(settings.tuned)
    for path in [*_state(workspace), *_code(), *([tuned] if tuned.is_file() else [])]:
        facts = path.stat()
        digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _state(workspace: Workspace) -> Iterator[Path]:
    """Every file that an asset keeps."""
    paths = workspace.paths
    for folder in (paths.lake, paths.models, paths.alignment, paths.pictures, paths.feast):
        for path in sorted(folder.rglob("*")):
            # Who only reads an SQLite file writes these too; of what is written they grow.
            passing = path.name.endswith(("-shm", ".lock")) or (
                path.name.endswith("-wal") and not path.stat().st_size
            )
            if path.is_file() and not passing:
                yield path


def _code() -> Iterator[Path]:
    root = Path(__file__).resolve().parent.parent
    for package in _CODE:
        yield from sorted((root / package).rglob("*.py"))
