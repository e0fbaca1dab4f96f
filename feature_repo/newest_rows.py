"""The newest row of each key, by a query that DuckDB answers without sorting the table.

Ibis counts rows from 0 and so filters on `row_number() - 1`, which DuckDB sorts all rows for; of
`row_number()` itself it keeps the newest row alone. Feast also compares instants in the zone of the
machine.
"""

from datetime import UTC, datetime
from typing import Any

import ibis
from ibis.expr import datatypes as dt
from ibis.expr.types import Table

from feature_repo.bounded_engine import view_of


def newest_rows(
    table: Table,
    keys: list[str],
    features: list[str],
    at: str,
    created: str | None,
    span: tuple[datetime, datetime],
) -> Table:
    """Per key the newest row within a span, as Feast chooses it.

    Args:
        table: of a source.
        keys: names of the join keys.
        features: names of the other columns to return.
        at: name of the column of instants. Instants without a zone are UTC.
        created: name of the column that decides between rows of one instant, if there is one.
        span: the first and the last instant; without a zone they are those of the machine's zone.
    """
    order = [at, created] if created else [at]
    first, last = (_literal(instant, table[at].type()) for instant in span)
    known = table.filter(table[at] >= first, table[at] <= last).select(*keys, *features, *order)
    newest_first = ", ".join(f"{_quoted(name)} DESC NULLS LAST" for name in order)
    of_a_key = f"PARTITION BY {', '.join(map(_quoted, keys))} " if keys else ""
    return view_of(
        f"SELECT * FROM ({ibis.to_sql(known, dialect='duckdb')}) "  # noqa: S608
        f"QUALIFY row_number() OVER ({of_a_key}ORDER BY {newest_first}) = 1"
    )


def _literal(instant: datetime, kind: dt.DataType) -> Any:
    """An instant, to be compared with a column of a type."""
    exact = instant.astimezone(UTC)
    if getattr(kind, "timezone", None):
        return ibis.literal(exact, type=dt.Timestamp(timezone="UTC"))
    return ibis.literal(exact.replace(tzinfo=None), type=dt.Timestamp())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
