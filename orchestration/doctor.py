"""What a bug report needs: versions, device, disk, settings, tables, Feast, champion and runs."""

import importlib.metadata
import platform
import shutil
import sys
from typing import Any

from pyarrow import ArrowException

from crossmodal.lake import Lake
from crossmodal.lake_damage import damage
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import PseudonymKeyError
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.doctor_stores import state_of_champion, state_of_stores

_PACKAGES = (
    "crossmodal",
    "dagster",
    "feast",
    "duckdb",
    "polars",
    "pyarrow",
    "torch",
    "torchaudio",
    "sentence-transformers",
    "open-clip-torch",
    "lightgbm",
)
_GIB = 1 << 30
_UNREADABLE = (OSError, ArrowException, KeyError)


def examine(settings: Settings) -> dict[str, Any]:
    """Findings by area, JSON-able; a store that cannot be read says why instead of failing."""
    paths = StatePaths(settings.home)
    return {
        "versions": {name: _version(name) for name in _PACKAGES},
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "device": _device(settings),
        "disk_free_gib": round(_free_bytes(settings) / _GIB, 1),
        "settings": settings.model_dump(mode="json"),
        "key_of_users": _key_of_users(settings),
        "tables": _tables(Lake(paths.lake)),
        "feast": {
            "registry": paths.registry.is_file(),
            "online_store_mib": _mib(paths.online_store),
            "online_store": _online(paths),
        },
        "stores": state_of_stores(paths),
        "champion": _champion(paths),
        "champion_files": state_of_champion(paths),
        "champion_judged_by": _judged_by(paths),
        "dagster_runs": _runs(paths),
    }


def render(findings: dict[str, Any]) -> str:
    """The findings as indented lines."""
    lines: list[str] = []
    for area, value in findings.items():
        if isinstance(value, dict):
            lines.append(f"{area}:")
            lines.extend(f"  {name}: {entry}" for name, entry in value.items())
        else:
            lines.append(f"{area}: {value}")
    return "\n".join(lines)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _device(settings: Settings) -> str:
    from models.encoders.device import choose_device

    return str(choose_device(settings.device))


def _free_bytes(settings: Settings) -> int:
    existing = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def _key_of_users(settings: Settings) -> str | None:
    """Whether the key is there that named the users; None where no users were named yet."""
    workspace = Workspace(settings)
    if not workspace.has_named_users():
        return None
    try:
        workspace.key_of_users()
    except PseudonymKeyError as error:
        return f"unusable: {error}"
    except _UNREADABLE as error:
        return f"unknown, since staged_interactions is unreadable: {error}"
    named = workspace.lake.exists("staged_interactions")
    return "the one that named the users" if named else "there; no table says what it has named"


def _tables(lake: Lake) -> dict[str, str]:
    names = [path.relative_to(lake.root) for path in sorted(lake.root.rglob("*.parquet"))]
    singles = [str(name.with_suffix("")) for name in names if len(name.parts) == 1]
    states = {name: _table_state(lake, name) for name in singles}
    months = lake.partitions("interactions")
    return {**states, "interactions": _state_of_months(lake, months)} if months else states


def _state_of_months(lake: Lake, months: list[str]) -> str:
    """How many months there are, and what is wrong with the first that cannot be read."""
    states = (_table_state(lake, f"interactions/{month}") for month in months)
    bad = next((state for state in states if state.startswith("unreadable")), None)
    return f"{len(months)} months" if bad is None else bad


def _table_state(lake: Lake, name: str) -> str:
    try:
        version = lake.version(name)
        why = damage(lake.path(name))
    except _UNREADABLE as error:
        return f"unreadable: {error}"
    if why is not None:
        return f"unreadable: {why}"
    return f"{version.rows:,} rows, version {version.data_version}"


def _mib(path: Any) -> float | None:
    return round(path.stat().st_size / (1 << 20), 1) if path.is_file() else None


def _online(paths: StatePaths) -> str | None:
    """Whether the online store is as the last run left it; None if no run has filled it."""
    from assets.features import recorded_keys
    from feature_repo.online_file import departures

    lake = Lake(paths.lake)
    recorded: dict[str, int] = {}
    for table in ("online_features", "online_recommendations"):
        try:
            recorded |= recorded_keys(lake, table)
        except _UNREADABLE as error:
            return f"unknown, since {table} is unreadable: {error}"
    if not recorded:
        return None
    differences = departures(paths, recorded)
    if differences:
        return f"not as the last run left it, the next run makes it again: {'; '.join(differences)}"
    return f"{len(recorded)} views, {sum(recorded.values()):,} keys, as the last run left it"


def _champion(paths: StatePaths) -> str | None:
    file = paths.models / "champion"
    return file.read_text("utf-8", errors="replace").strip() if file.is_file() else None


def _judged_by(paths: StatePaths) -> str | None:
    """The version whose figures speak for the champion; None where there is no champion."""
    from models.registry import ModelRegistry, UnknownVersionError

    version = _champion(paths)
    if version is None:
        return None
    try:
        return ModelRegistry(paths.models).version(version).judged_by or version
    except (UnknownVersionError, ValueError, TypeError) as error:
        return f"unreadable: {error}"


def _runs(paths: StatePaths) -> dict[str, int] | str:
    if not paths.dagster.is_dir():
        return {}
    from crossmodal.store_errors import StoreError
    from orchestration.instance import open_instance, readable_records

    try:
        with readable_records(paths), open_instance(paths) as instance:
            runs = instance.get_runs(limit=100)
    except StoreError as error:
        return f"unreadable: {error}"
    states = [run.status.value for run in runs]
    return {state: states.count(state) for state in sorted(set(states))}
