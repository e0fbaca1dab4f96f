"""Settings of a platform that runs in seconds, and copies of the home that it made."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossmodal.settings import Settings

_REPLACED = ("lake", "pictures", "weights")
"""Folders whose files change by a rename alone, so that a copy of a home can share the files."""


def small_settings(home: Path, **chosen: object) -> Settings:
    """A catalogue that runs in seconds."""
    return Settings.model_validate(
        {
            "home": home,
            "sample_users": 60,
            "sample_items": 80,
            "sample_events": 1800,
            "training_epochs": 2,
            "bootstrap_samples": 100,
            # Every service starts its own decoders, and most tests decode nothing.
            "media_workers": 1,
            "id_key": "a key for tests",
            **chosen,
        }
    )


@contextmanager
def copy_of_home(home: Path, target: Path) -> Iterator[Settings]:
    """A home that may be changed for the block, and shares what is only ever replaced.

    Raises:
        AssertionError: a shared file was written in place, so that every other copy changed too.
    """

    def copy(source: str, destination: str) -> str:
        folder = Path(source).relative_to(home).parts[0]
        copying = os.link if folder in _REPLACED else shutil.copy2
        copying(source, destination)
        return destination

    shutil.copytree(home, target, copy_function=copy)
    before = _shared_files(home)
    yield small_settings(target)
    changed = [path for path, state in _shared_files(home).items() if before[path] != state]
    assert not changed, f"written in place, and not replaced: {', '.join(map(str, changed))}"


def _shared_files(home: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of the last change of content of every shared file."""
    files = (path for name in _REPLACED for path in (home / name).rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}
