"""Times in the forms that tables have them."""

import polars as pl

from sources.protocol import TIMESTAMP

_MICROSECONDS = {"unix_s": 1_000_000, "unix_ms": 1_000}
_LATEST_MICROSECONDS = 2**33 * 1_000_000
_ISO_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
)


def parse_time(column: str, dtype: pl.DataType, time_format: str) -> pl.Expr:
    """An expression of `TIMESTAMP`, null where the column is not a time; no offset means UTC.

    Args:
        column: name of the column.
        dtype: its type: a time in a Parquet file is taken as it is.
        time_format: iso, unix_s, unix_ms, year, or a strptime format.
    """
    raw = pl.col(column)
    if isinstance(dtype, pl.Datetime):
        placed = raw.dt.convert_time_zone("UTC") if dtype.time_zone else _utc(raw)
        return placed.cast(TIMESTAMP)
    if isinstance(dtype, pl.Date):
        return _utc(raw.cast(pl.Datetime("us")))
    if time_format in _MICROSECONDS:
        return _from_number(raw, _MICROSECONDS[time_format])
    text = raw.cast(pl.String).str.strip_chars()
    if time_format == "year":
        year = text.cast(pl.Int32, strict=False)
        return pl.datetime(
            pl.when(year.is_between(1, 9999)).then(year), 1, 1, time_zone="UTC"
        ).cast(TIMESTAMP)
    if time_format == "iso":
        return _iso(text)
    if "%z" in time_format or "%#z" in time_format or "%:z" in time_format:
        return text.str.strptime(TIMESTAMP, time_format, strict=False)
    has_clock = any(code in time_format for code in ("%H", "%I", "%T", "%R", "%s"))
    if has_clock:
        return _utc(text.str.strptime(pl.Datetime("us"), time_format, strict=False))
    return _utc(text.str.strptime(pl.Date, time_format, strict=False).cast(pl.Datetime("us")))


def _utc(naive: pl.Expr) -> pl.Expr:
    return naive.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _from_number(raw: pl.Expr, unit: int) -> pl.Expr:
    whole = raw.cast(pl.String).str.strip_chars()
    number = whole.cast(pl.Float64, strict=False)
    exact = (number * unit).round()
    sane = pl.when(exact.is_between(0, _LATEST_MICROSECONDS)).then(exact)
    return _utc(pl.from_epoch(sane.cast(pl.Int64), time_unit="us"))


def _iso(text: pl.Expr) -> pl.Expr:
    """Date, or date and time with or without seconds, fraction, and offset."""
    joined = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[ t]+", "${1}T").str.replace(r"[zZ]$", "+00:00")
    clocked = joined.str.contains("T", literal=True)
    offset = joined.str.contains(r"T.*[+-]\d{2}(:?\d{2})?$")
    whole = (
        pl.when(~clocked)
        .then(joined + pl.lit("T00:00:00+00:00"))
        .when(~offset)
        .then(joined + pl.lit("+00:00"))
        .otherwise(joined)
    )
    return pl.coalesce(whole.str.strptime(TIMESTAMP, form, strict=False) for form in _ISO_FORMATS)
