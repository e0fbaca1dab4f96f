"""Instants that mean "never" or "unknown": what a program writes where it has no time."""

from datetime import UTC, datetime

import polars as pl

from sources.protocol import TIMESTAMP

NEVER = {
    datetime(1, 1, 1): "the least time of .NET and Python",
    datetime(1000, 1, 1): "the least time of MySQL",
    datetime(1601, 1, 1): "the zero of Windows",
    datetime(1677, 9, 21, 0, 12, 43, 145224): "the least time of pandas",
    datetime(1677, 9, 21, 0, 12, 43, 145225): "the least time of pandas",
    datetime(1753, 1, 1): "the least time of SQL Server",
    datetime(1858, 11, 17): "the zero of VMS",
    datetime(1899, 12, 30): "the zero of Excel",
    datetime(1899, 12, 31): "the zero of Excel",
    datetime(1900, 1, 1): "the zero of SQL Server and Excel",
    datetime(1904, 1, 1): "the zero of Excel on a Mac",
    datetime(1969, 12, 31, 23, 59, 59): "-1 in Unix time",
    datetime(1970, 1, 1): "the zero of Unix time",
    datetime(2038, 1, 19, 3, 14, 7): "the greatest time of 32 bits",
    datetime(2079, 6, 6, 23, 59): "the greatest small time of SQL Server",
    datetime(2262, 4, 11, 23, 47, 16, 854775): "the greatest time of pandas",
}
"""UTC instants, and whose they are."""

_LAST_YEAR = 9999
_FIRST_YEAR = 1


def never(time: pl.Expr) -> pl.Expr:
    """Whose word for never an instant of an event is, null for an instant that is one."""
    keys = pl.Series([_utc(key) for key in NEVER], dtype=TIMESTAMP)
    name = time.replace_strict(keys, list(NEVER.values()), default=None, return_dtype=pl.String)
    return pl.coalesce(name, never_of_dates(time))


def never_of_dates(time: pl.Expr) -> pl.Expr:
    """The same of a date of release: a work may well be of the year 1900 or 1970."""
    ends = (datetime(1677, 9, 21), datetime(2262, 4, 11))
    day = time.dt.date()
    return (
        pl.when(time.dt.year() >= _LAST_YEAR)
        .then(pl.lit("the last year there is"))
        .when(time.dt.year() <= _FIRST_YEAR)
        .then(pl.lit("the least time of .NET and Python"))
        .when(day.is_in([end.date() for end in ends]))
        .then(pl.lit("the least or greatest time of pandas"))
    )


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)
