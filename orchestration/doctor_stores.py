"""Whether the stores that are no tables can be read, for `crossmodal doctor`."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from crossmodal.paths import StatePaths
from crossmodal.store_errors import require_sound
from feature_repo.store import RegistryDamagedError, require_readable_registry
from models.champion_history import HistoryError, Promotions
from models.registry import ModelRegistry, is_whole
from models.version_faults import fault_of

_SOUND = "sound"


def state_of_stores(paths: StatePaths) -> dict[str, str]:
    """Each store that is there: that it is sound, or why it cannot be read.

    A large database is looked at for some seconds only.
    """
    looks: dict[Path, Callable[[Path], None]] = {
        paths.event_log: require_sound,
        paths.item_log: require_sound,
        paths.rate_limits: require_sound,
        paths.studies: _require_readable,
        paths.registry: require_readable_registry,
    }
    return {
        path.relative_to(paths.home).as_posix(): _state(path, look)
        for path, look in looks.items()
        if path.is_file()
    }


def state_of_champion(paths: StatePaths) -> str | None:
    """Whether the files of the version that answers are what was saved, and its history is sound.

    None where no version answers yet.
    """
    registry = ModelRegistry(paths.models)
    try:
        history = Promotions(registry).history()
        if not history:
            return None
        version = history[-1].version
        fault = fault_of(registry, version)
        if not fault and not is_whole(registry.root / version):
            fault = f"the weights in {registry.root / version} are not what was saved"
    except (HistoryError, OSError) as error:
        fault = str(error)
    return f"unreadable: {fault}" if fault else _SOUND


def _require_readable(path: Path) -> None:
    """Looks at a database without changing how it is kept.

    Raises:
        sqlite3.Error: it is damaged.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        ((outcome,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if outcome != "ok":
        raise sqlite3.DatabaseError(outcome)


def _state(path: Path, look: Callable[[Path], None]) -> str:
    try:
        look(path)
    except (RegistryDamagedError, sqlite3.Error, OSError) as error:
        return f"unreadable: {error}"
    return _SOUND
