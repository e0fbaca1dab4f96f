"""The online store's file, asked with SQLite alone: Feast takes seconds to import."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing

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
    if not paths.online_store.is_file():
        raise OnlineStoreError(paths, "there is no such file")
    try:
        address = f"{paths.online_store.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
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
    except sqlite3.DatabaseError as error:
        raise OnlineStoreError(paths, error) from error


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
