"""The DuckDB engine that ibis keeps for a process: its limits, and queries as tables of it."""

import atexit
import hashlib
import logging
import shutil
import tempfile
from functools import cache
from pathlib import Path

import duckdb
import ibis
from feast.repo_config import RepoConfig
from ibis.expr.types import Table

_log = logging.getLogger(__name__)


def bound_engine(config: RepoConfig) -> None:
    """Sets the limits of the engine that ibis keeps for the process."""
    limits = config.offline_store
    if limits.temp_directory is None:
        spill = _private_folder()
    else:
        spill = str(Path(config.repo_path or "", limits.temp_directory).absolute())
    settings = {
        "memory_limit": limits.memory_limit,
        "threads": limits.threads,
        "temp_directory": spill,
    }
    engine = ibis.get_backend().con
    for name, value in settings.items():
        ((current,),) = engine.execute("SELECT current_setting(?)", [name]).fetchall()
        if value is None or value == current:
            continue
        try:
            engine.execute(f"SET {name} = ?", [value])
        except duckdb.NotImplementedException:
            # DuckDB keeps the folder that it has spilled to, as for another store of this process.
            _log.warning("DuckDB goes on spilling to %s, not to %s.", current, value)


@cache
def _private_folder() -> str:
    """A folder of this process that nobody else may read, removed with it."""
    folder = tempfile.mkdtemp(prefix="feast-spill-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def view_of(query: str) -> Table:
    """A query's rows. Ibis' own `sql` calls what DuckDB 2 no longer has."""
    # Named by the query: a process that asks again and again keeps one view of each.
    digest = hashlib.sha256(query.encode()).hexdigest()[:16]
    backend, name = ibis.get_backend(), f"entity_rows_{digest}"
    backend.con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")
    return backend.table(name)
