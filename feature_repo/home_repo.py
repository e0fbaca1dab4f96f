"""The folder feast/ of a home as a Feast repo of its own, which may be moved and copied.

Feast takes seconds to import, and nothing here needs it.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from crossmodal.atomic import atomic_write_bytes
from crossmodal.modalities import MODALITIES
from crossmodal.paths import StatePaths

REPO = Path(__file__).resolve().parent
_YAML = REPO / "feature_store.yaml"
_DEFINITIONS = '''"""What `feast plan` and `feast apply` find here. A run writes this file.

The definitions are those of the package `feature_repo`, at the lake next to this folder, wherever
the home lies.
"""

from pathlib import Path

from feature_repo.catalogue import definitions_at

globals().update(definitions_at(Path(__file__).resolve().parent.parent / "lake"))
'''


def store_settings(paths: StatePaths) -> dict[str, Any]:
    """`feature_store.yaml` for a home, with absolute paths: they hold in any working folder."""
    return _settings_with(paths.registry.absolute(), paths.online_store.absolute())


def write_home_repo(paths: StatePaths) -> None:
    """Writes `feature_store.yaml` and `definitions.py` into `<home>/feast/`.

    `feast -c <home>/feast` takes both. The paths are relative to the folder, so that a copy of the
    home reads and writes its own stores.
    """
    settings = _settings_with(
        paths.registry.relative_to(paths.feast), paths.online_store.relative_to(paths.feast)
    )
    text = yaml.safe_dump(settings, sort_keys=False)
    atomic_write_bytes(paths.feast / "feature_store.yaml", text.encode())
    atomic_write_bytes(paths.feast / "definitions.py", _DEFINITIONS.encode())


def has_home_repo(paths: StatePaths) -> bool:
    """Whether `write_home_repo` has written both files."""
    return all((paths.feast / name).is_file() for name in ("feature_store.yaml", "definitions.py"))


def definitions_version() -> str:
    """What the definitions hash to (hex, 16 characters), found without importing Feast."""
    digest = hashlib.sha256(version("feast").encode())
    for name in ("entities", "data_sources", "views", "services", "definitions", "home_repo"):
        digest.update((REPO / f"{name}.py").read_bytes())
    digest.update(_YAML.read_bytes())
    digest.update(" ".join(MODALITIES).encode())
    return digest.hexdigest()[:16]


def _settings_with(registry: Path, online_store: Path) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(_YAML.read_text(encoding="utf-8"))
    raw["registry"]["path"] = str(registry)
    raw["online_store"]["path"] = str(online_store)
    raw["offline_store"]["temp_directory"] = str(registry.parent / "spill")
    return raw
