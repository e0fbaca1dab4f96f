"""Times in the forms that tables have them."""

import re
from datetime import UTC, datetime

import polars as pl

from sources.protocol import TIMESTAMP

NAMED = ("iso", "unix_s", "unix_ms", "unix_us", "unix_ns", "year")
"""Forms of a time that have a name."""

_PER_SECOND = {"unix_s": 1, "unix_ms": 10**3, "unix_us": 10**6, "unix_ns": 10**9}
_MICROSECONDS = 1_000_000
_FIRST_MICROSECOND = -62_135_596_800 * _MICROSECONDS
_LAST_MICROSECOND = 253_402_300_800 * _MICROSECONDS - 1
_ISO_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
_MAIL_FORMATS = ("%a, %d %b %Y %H:%M:%S %z", "%d %b %Y %H:%M:%S %z")
_PROBES = (
    datetime(2021, 3, 7, 14, 5, 9),
    datetime(2003, 11, 25, 0, 45, 58),
    datetime(2019, 7, 31, 12, 0, 31),
)
_DIRECTIVE = re.compile(r"%[-_0]?(?:[.]?\d?f|:{0,3}z|#z|.)")
_ZONES = ("%z", "%:z", "%::z", "%#z", "%+")
_ZONE_NAME = "%Z"
_SETTLE_DAY = ("%d", "%e", "%-d", "%_d", "%j", "%-j", "%D", "%x", "%F", "%v", "%c", "%s")
_SETTLE_DAY_OR_WEEKDAY = (*_SETTLE_DAY, "%u", "%w", "%a", "%A", "%+")
_SETTLE_MONTH = ("%m", "%-m", "%_m", "%b", "%B", "%h")
_SETTLE_MINUTE = ("%M", "%-M", "%_M", "%T", "%R", "%X", "%r", "%c", "%s", "%+")
_SETTLE_HOUR = ("%H", "%-H", "%_H", "%k", "%I", "%-I", "%_I", "%l")
_SETTLE_SECOND = ("%S", "%-S", "%_S", "%T", "%X", "%r", "%c", "%s", "%+")


def parse_time(
    column: pl.Expr | str, dtype: pl.DataType, time_format: str, *, years: bool = False
) -> pl.Expr:
    """An expression of `TIMESTAMP`, null where the column is not a time; no offset means UTC.

    Args:
        column: its name or its expression.
        dtype: its type; a time in a Parquet file is taken as it is.
        time_format: one of `NAMED`, or a strptime format.
        years: whether `iso` takes a bare year or month, as release dates may be.
    """
    raw = pl.col(column) if isinstance(column, str) else column
    if isinstance(dtype, pl.Datetime):
        placed = raw.dt.convert_time_zone("UTC") if dtype.time_zone else _utc(raw)
        return placed.cast(TIMESTAMP)
    if isinstance(dtype, pl.Date):
        return _utc(raw.cast(pl.Datetime("us")))
    text = raw.cast(pl.String, strict=False).str.strip_chars()
    if time_format in _PER_SECOND:
        return _from_number(text, _PER_SECOND[time_format])
    if time_format == "year":
        return _from_year(text)
    if time_format == "iso":
        dated = _iso(text)
        return pl.coalesce(dated, _from_year(text), _iso(text + "-01")) if years else dated
    return _from_format(text, time_format)


def example_of(time_format: str) -> str:
    """A time as it is written in a form that can be read."""
    probe = _PROBES[0].replace(tzinfo=UTC)
    if time_format in _PER_SECOND:
        return str(int(probe.timestamp()) * _PER_SECOND[time_format])
    if time_format == "year":
        return str(probe.year)
    if time_format == "iso":
        return f"{probe:%Y-%m-%dT%H:%M:%SZ}"
    return str(_written(probe.replace(tzinfo=None), time_format).item())


def require_readable(time_format: str) -> None:
    """Checks that a time written in this format is read back unchanged.

    Raises:
        ValueError: it does not; the message names the directive.
    """
    if time_format in NAMED:
        return
    if "%" not in time_format:
        raise ValueError(f"time_format is {', '.join(NAMED)}, or a strptime format with %")
    directives = _DIRECTIVE.findall(time_format)
    if _ZONE_NAME in directives:
        raise ValueError(
            "time_format has %Z, and a zone's name says not what its offset is; write offsets and "
            "%z, or leave the name out where all times are UTC"
        )
    if re.search(r"(?<!\.)%f", time_format):
        raise ValueError(
            "time_format has %f, of which it is not known how many digits it has; write %3f, %6f "
            "or %9f, or .%f after a point"
        )
    try:
        for probe in _PROBES:
            _require_return(probe, time_format, directives)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0].removeprefix("Invalid format string: ")
        unknown = [directive for directive in directives if not _is_known(directive)]
        named = f"{', '.join(unknown)} is no directive" if unknown else reason
        raise ValueError(f"time_format {time_format!r} cannot be read: {named}") from error


def _require_return(probe: datetime, time_format: str, directives: list[str]) -> None:
    instant = pl.Series([probe]).dt.replace_time_zone("UTC")
    written = _written(probe, time_format)
    frame = pl.DataFrame({"t": written})
    parsed = frame.select(parse_time("t", pl.String(), time_format)).item()
    expected = instant
    for directive_group, unit in (
        (_SETTLE_SECOND, "1m"),
        (_SETTLE_MINUTE, "1h"),
        ((*_SETTLE_HOUR, *_SETTLE_MINUTE), "1d"),
        (_SETTLE_DAY_OR_WEEKDAY, "1mo"),
        ((*_SETTLE_MONTH, *_SETTLE_DAY_OR_WEEKDAY), "1y"),
    ):
        if not any(directive in directives for directive in directive_group):
            expected = expected.dt.truncate(unit)
    if parsed != expected.item():
        raise ValueError(
            f"time_format {time_format!r} does not say the whole time: {written.item()!r} is read "
            f"as {parsed or 'no time'}"
        )


def _written(probe: datetime, time_format: str) -> pl.Series:
    """A time of UTC in a strptime format."""
    naive = pl.Series([probe])
    zoned = any(zone in _DIRECTIVE.findall(time_format) for zone in _ZONES)
    return (naive.dt.replace_time_zone("UTC") if zoned else naive).dt.strftime(time_format)


def _is_known(directive: str) -> bool:
    try:
        pl.Series([_PROBES[0]]).dt.replace_time_zone("UTC").dt.strftime(directive)
    except pl.exceptions.PolarsError:
        return False
    return True


def _from_format(text: pl.Expr, time_format: str) -> pl.Expr:
    """A format without a day, a month or minutes means the first of them."""
    # Python's `.%f` is a fraction of a second; to chrono, which reads it here, it is nanoseconds.
    chrono = re.sub(r"\.%f", "%.f", time_format)
    directives = _DIRECTIVE.findall(chrono)
    has_day = any(member in directives for member in _SETTLE_DAY_OR_WEEKDAY)
    rest, form = "", ""
    for group, needed, filled, directive in (
        (_SETTLE_DAY_OR_WEEKDAY, True, "1", "%d"),
        (_SETTLE_MONTH, not has_day, "1", "%m"),
        (_SETTLE_MINUTE, any(hour in directives for hour in _SETTLE_HOUR), "0", "%M"),
    ):
        if needed and not any(member in directives for member in group):
            rest, form = f"{rest}\x1f{filled}", f"{form}\x1f{directive}"
    whole = text + pl.lit(rest) if rest else text
    if any(zone in directives for zone in _ZONES):
        return whole.str.strptime(TIMESTAMP, chrono + form, strict=False)
    return _utc(whole.str.strptime(pl.Datetime("us"), chrono + form, strict=False))


def _utc(naive: pl.Expr) -> pl.Expr:
    return naive.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _from_number(text: pl.Expr, per_second: int) -> pl.Expr:
    """Whole numbers are exact; fractions are as exact as a float."""
    whole = text.str.replace(r"^([+-]?\d+)\.0+$", "${1}").cast(pl.Int64, strict=False)
    seconds = text.cast(pl.Float64, strict=False)
    finite = pl.when(seconds.is_finite()).then(seconds)
    if per_second <= _MICROSECONDS:
        unit = _MICROSECONDS // per_second
        within = pl.when(whole.abs() <= _LAST_MICROSECOND // unit).then(whole) * unit
    else:
        within = whole.floordiv(per_second // _MICROSECONDS)
    rounded = (finite * (_MICROSECONDS / per_second)).round()
    sane = pl.when(rounded.is_between(_FIRST_MICROSECOND, _LAST_MICROSECOND)).then(rounded)
    microseconds = pl.coalesce(within, sane.cast(pl.Int64))
    placed = pl.when(microseconds.is_between(_FIRST_MICROSECOND, _LAST_MICROSECOND)).then(
        microseconds
    )
    return _utc(pl.from_epoch(placed, time_unit="us"))


def _from_year(text: pl.Expr) -> pl.Expr:
    """The first instant of a year, which a float column writes as 1995.0."""
    year = text.str.extract(r"^(\d{1,4})(?:\.0+)?$", 1).cast(pl.Int32, strict=False)
    known = pl.when(year.is_between(1, 9999)).then(year)
    return pl.datetime(known, 1, 1, time_zone="UTC").cast(TIMESTAMP)


def _iso(text: pl.Expr) -> pl.Expr:
    """Date, or date and time with or without seconds, fraction, and offset, and the like of it.

    The like: slashes in the date, no signs at all, a comma before the fraction, ` UTC`, `GMT` or
    `Z` at the end, an offset followed by its zone in brackets, and a mail's date.
    """
    return text.map_batches(_iso_batch, return_dtype=TIMESTAMP, is_elementwise=True)


def _iso_batch(texts: pl.Series) -> pl.Series:
    """Times of texts; nearly all have the plain form, and only the others are slow."""
    frame = pl.DataFrame({"text": texts.cast(pl.String)})
    text = pl.col("text")
    times = frame.select(_plain(text)).to_series()
    left = times.is_null() & frame["text"].is_not_null()
    if not left.any():
        return times
    mail = text.str.replace(r"(?i)\s+(?:z|ut|utc|gmt)$", " +0000")
    forms = [mail.str.strptime(TIMESTAMP, form, strict=False) for form in _MAIL_FORMATS]
    rest = frame.filter(left).select(pl.coalesce(_plain(_usual(text)), *forms)).to_series()
    return times.scatter(left.arg_true(), rest)


def _plain(text: pl.Expr) -> pl.Expr:
    """A date, or date and time with T or blanks between, an offset or none, or Z."""
    dated = text.str.contains(r"^\d{4}-\d{1,2}-\d{1,2}$")
    zoned = text.str.contains(r"[Tt ].*[+-]\d{2}(:?\d{2})?$|[Zz]$")
    joined = (
        text.str.replace(r"^(\d{4}-\d{1,2}-\d{1,2})[ t]+", "${1}T")
        .str.replace(r"[zZ]$", "+00:00")
        .str.replace(r" +([+-]\d{2}(?::?\d{2})?)$", "${1}")
    )
    whole = (
        pl.when(dated)
        .then(text + pl.lit("T00:00:00+00:00"))
        .when(~zoned)
        .then(joined + pl.lit("+00:00"))
        .otherwise(joined)
    )
    seconds, minutes = _ISO_FORMATS
    first = whole.str.strptime(TIMESTAMP, seconds, strict=False)
    rest = pl.when(first.is_null()).then(whole)
    return pl.coalesce(first, rest.str.strptime(TIMESTAMP, minutes, strict=False))


def _usual(text: pl.Expr) -> pl.Expr:
    """The forms that other programs write, in the plain one."""
    return (
        text.str.replace(r"(?i)\s*(?:z|utc|gmt)$", "+00:00")
        .str.replace(r"(?i)([+-]\d{2}:?\d{2})\s*\[[A-Z/_+-]+\d*\]$", "${1}")
        .str.replace(r"^(\d{4})/(\d{1,2})/(\d{1,2})\b", "${1}-${2}-${3}")
        .str.replace(r"^(\d{4})(\d{2})(\d{2})\b", "${1}-${2}-${3}")
        .str.replace(
            r"^(\d{4})(\d{2})(\d{2})[Tt](\d{2})(\d{2})(\d{2})", "${1}-${2}-${3}T${4}:${5}:${6}"
        )
        .str.replace(r"(:\d{2}),(\d+)", "${1}.${2}")
        .str.replace(r"(\.\d{9})\d+", "${1}")
    )
