"""The online store's file, asked with SQLite alone: Feast takes seconds to import."""

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from crossmodal.paths import StatePaths
from feature_repo.home_repo import store_settings


class OnlineStoreError(RuntimeError):
    """The online store is missing, damaged, or lacks a table."""

    def __init__(self, paths: StatePaths, reason: object) -> None:
        super().__init__(
            f"The online store {paths.online_store} cannot be read ({reason}); "
            "`crossmodal run` makes it again."
        )


def keys_held(paths: StatePaths, views: Iterable[str]) -> dict[str, int]:
    """How many keys the online file has of each view; a view without a table is left out.

    Raises:
        OnlineStoreError: there is no file, or SQLite finds it damaged.
    """
    project = store_settings(paths)["project"]
    tables = {view: f"{project}_{view}" for view in views}
    with _opened(paths) as connection:
        # A count reads the index alone, which may be whole where the values are not.
        ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise OnlineStoreError(paths, found)
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        present = {name for (name,) in names}
        count = 'SELECT count(DISTINCT entity_key) FROM "{}"'
        return {
            view: connection.execute(count.format(table)).fetchone()[0]
            for view, table in tables.items()
            if table in present
        }


def newest_values(
    paths: StatePaths, join_key: str, key: str, features: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """What Feast would answer about one key.

    Args:
        paths: the home.
        join_key: such as user_id.
        key: a value of it.
        features: names of the features of each view that is asked.

    Returns:
        By `view__feature` the newest value, None where there is none.

    Raises:
        OnlineStoreError: there is no file, it is damaged, or lacks the table of a view.
    """
    project = store_settings(paths)["project"]
    stored = _stored_key(join_key, key)
    answer: dict[str, Any] = {}
    with _opened(paths) as connection:
        for view, names in features.items():
            asked = 'SELECT feature_name, value FROM "{}_{}" WHERE entity_key = ?'
            rows = connection.execute(asked.format(project, view), (stored,))
            found = dict(rows.fetchall())
            answer |= {f"{view}__{name}": _value(found.get(name)) for name in names}
    return answer


@contextmanager
def _opened(paths: StatePaths) -> Iterator[sqlite3.Connection]:
    if not paths.online_store.is_file():
        raise OnlineStoreError(paths, "there is no such file")
    address = f"{paths.online_store.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise OnlineStoreError(paths, error) from error


def _stored_key(join_key: str, key: str) -> bytes:
    """A key as Feast's third way of writing keys has it (`feast.infra.key_encoding_utils`)."""
    text = _value_messages().ValueType.STRING
    parts = [struct.pack("<I", 1)]
    for part in (join_key.encode(), key.encode()):
        parts += [struct.pack("<II", text, len(part)), part]
    return b"".join(parts)


def _value(stored: bytes | None) -> Any:
    """A value as Feast turns it into Python."""
    if stored is None:
        return None
    message = _value_messages().Value.FromString(stored)
    kind = message.WhichOneof("val")
    if kind is None:
        return None
    found = getattr(message, kind)
    if kind == "unix_timestamp_val":
        return datetime.fromtimestamp(found, UTC)
    return list(found.val) if hasattr(found, "val") else found


@cache
def _value_messages() -> ModuleType:
    """Feast's own messages of values, without all that `import feast` brings."""
    package = find_spec("feast")
    assert package is not None and package.submodule_search_locations
    folder = Path(next(iter(package.submodule_search_locations)))
    file = folder / "protos" / "feast" / "types" / "Value_pb2.py"
    spec = spec_from_file_location("feature_repo._feast_values", file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def departures(paths: StatePaths, recorded: Mapping[str, int]) -> list[str]:
    """What the online file lacks of what was recorded, one phrase a finding.

    More keys than recorded are no fault: what is reported between runs may be of new users.

    Args:
        paths: the home.
        recorded: keys of each view when the file was last written.
    """
    try:
        held = keys_held(paths, recorded)
    except OnlineStoreError as error:
        return [str(error)]
    lost = [f"{view} has no table" for view in recorded if view not in held]
    return lost + [
        f"{view} has {held[view]:,} keys of {count:,}"
        for view, count in recorded.items()
        if view in held and held[view] < count
    ]
