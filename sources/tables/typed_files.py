"""Files that say the types of their columns, looked at before Polars, which may end the process."""

import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sources.protocol import SourceError

_OFFSET_WITH_MINUTES = re.compile(r"^[+-]\d\d:?(?!00)\d\d$")


def require_readable_types(path: Path, *, parquet: bool) -> None:
    """Refuses columns that cannot be read, by their names.

    Args:
        path: the file.
        parquet: whether it is Parquet; else it is Arrow's own format.

    Raises:
        SourceError: it is no such file, a name stands twice, or a column has a type that nothing
            here reads; the message says which and the way out.
    """
    try:
        schema = _schema(path, parquet=parquet)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{path} cannot be read as a table ({reason}).") from error
    twice = [name for name, times in Counter(schema.names).items() if times > 1]
    if twice:
        raise SourceError(f"{path} has the column {twice[0]!r} twice; give each a name of its own.")
    for field in schema:
        fault = _fault(field.type)
        if fault:
            raise SourceError(f"{path}: {field.name!r} holds {fault}.")


def _schema(path: Path, *, parquet: bool) -> pa.Schema:
    if parquet:
        return pq.read_schema(path)
    with pa.memory_map(str(path)) as content, pa.ipc.open_file(content) as file:
        return file.schema


def _fault(dtype: pa.DataType) -> str:
    """Why a type cannot be read, and what to write instead; empty where it can."""
    if pa.types.is_timestamp(dtype) and _OFFSET_WITH_MINUTES.match(dtype.tz or ""):
        return f"times of the zone {dtype.tz}; write them in UTC"
    unknown = pa.types.is_union(dtype) or pa.types.is_decimal256(dtype)
    if unknown or dtype == pa.month_day_nano_interval():
        return f"{dtype}, which is not read; write it as text"
    inner = [dtype.field(place).type for place in range(dtype.num_fields)]
    return next(filter(None, map(_fault, inner)), "")
