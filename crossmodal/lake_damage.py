"""Tables whose files are damaged, by their footers or by all of their bytes, and set aside."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.lake import BYTES_KEY, Lake, TableDamagedError, version_in

_log = logging.getLogger(__name__)

ASIDE = ".damaged"
"""Ends the name of a table's file that was set aside."""

_PIECE = 1 << 20
_TRAILER = 8
"""Bytes at the end of a Parquet file: the length of its footer, and a magic word."""


def files_of_tables(lake: Lake) -> list[Path]:
    """The files of all tables, in order; not those that are being written."""
    return sorted(lake.root.rglob("[!.]*.parquet"))


def damage(path: Path) -> str | None:
    """Why the file of a table is damaged, by all of its bytes; None where it is whole.

    Parquet's readers answer with wrong values where a bit has changed, so that bytes are compared
    with the hash in the footer.

    Args:
        path: of the file.

    Raises:
        OSError: the system does not let the file be read.
    """
    if (why := damage_of_footer(path)) is not None:
        return why
    expected = (pq.read_metadata(path).metadata or {}).get(BYTES_KEY)
    if expected is None:
        return _damage_while_reading(path)
    # The hash may be what was damaged, and no text any more.
    if _sha256(path).encode() == expected:
        return None
    return str(TableDamagedError.of(path, "its bytes are not those that were written"))


def _damage_while_reading(path: Path) -> str | None:
    """The same of a table that an earlier release wrote, whose footer has no hash."""
    try:
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches():
                pass
    except (pa.ArrowException, OSError) as error:
        return str(TableDamagedError.of(path, error))
    return None


def damage_of_footer(path: Path) -> str | None:
    """Why the file of a table is damaged, by its footer alone, which every cut loses.

    Args:
        path: of the file.

    Raises:
        OSError: the system does not let the file be read.
    """
    try:
        version_in(path)
    except TableDamagedError as error:
        return str(error)
    return None


def set_aside(lake: Lake, look: Callable[[Path], str | None] = damage_of_footer) -> list[str]:
    """Moves damaged tables out of the way, so that a run makes them again; whoever asks is alone.

    Args:
        lake: whose tables are looked at.
        look: `damage_of_footer` or `damage`.

    Returns:
        A sentence for each file.
    """
    said = []
    for path in files_of_tables(lake):
        why = look(path)
        if why is not None:
            path.replace(path.with_name(f"{path.name}{ASIDE}"))
            said.append(f"{why} It was set aside as {path.name}{ASIDE}.")
            _log.warning("%s", said[-1])
    return said


def _sha256(path: Path) -> str:
    """The hash (hex) of a table's bytes before its footer."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(-_TRAILER, os.SEEK_END)
        end = file.tell()
        left = end - int.from_bytes(file.read(_TRAILER // 2), "little")
        file.seek(0)
        while left > 0 and (piece := file.read(min(left, _PIECE))):
            left -= len(piece)
            digest.update(piece)
    return digest.hexdigest()
