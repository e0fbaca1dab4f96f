"""What a person reads of a cell that cannot be used: what it holds, and how to mend it."""

import polars as pl

_LONGEST_SHOWN = 40
_EMPTY = "empty"


def or_empty(text: pl.Expr) -> pl.Expr:
    """The text of a row; `_EMPTY` where it is blank."""
    return pl.when(text.str.strip_chars() != "").then(text).otherwise(pl.lit(_EMPTY))


def no_time(time_format: str, time_example: str, given_time: pl.Expr) -> pl.Expr:
    """What stands where a time should, what form it should have, and what it looks like."""
    shown = or_empty(given_time.str.slice(0, _LONGEST_SHOWN))
    if not time_format:
        return shown
    form = f"; time_format: {time_format} is expected, such as {time_example}"
    return pl.concat_str(shown, pl.lit(form), _hint(time_format, given_time))


def _hint(time_format: str, given_time: pl.Expr) -> pl.Expr:
    """As what a time that cannot be read may be one."""
    forms = {
        r"^\d{9,10}(\.\d*)?$": "unix_s",
        r"^\d{12,13}(\.\d*)?$": "unix_ms",
        r"^\d{15,16}$": "unix_us",
        r"^\d{18,19}$": "unix_ns",
        r"^\d{4}-\d{2}-\d{2}": "iso",
        r"^\d{1,2}\.\d{1,2}\.\d{4}$": "'%d.%m.%Y'",
        r"^\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d{2}$": "'%d.%m.%Y %H:%M'",
        r"^\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d{2}:\d{2}$": "'%d.%m.%Y %H:%M:%S'",
        r"^(1[3-9]|[23]\d)/\d{1,2}/\d{4}$": "'%d/%m/%Y'",
        r"^\d{1,2}/(1[3-9]|[23]\d)/\d{4}$": "'%m/%d/%Y'",
        r"^\d{1,2}/\d{1,2}/\d{4}$": "'%d/%m/%Y' or '%m/%d/%Y'",
    }
    looks = [
        pl.when(given_time.str.contains(pattern)).then(
            pl.lit(f"; perhaps it is of time_format: {name}")
        )
        for pattern, name in forms.items()
        if name.strip("'") != time_format
    ]
    return pl.coalesce(*looks, pl.lit(""))


def of_range(value: pl.Expr, low: float, high: float) -> pl.Expr:
    """The range that a number should lie in, where one could be read."""
    hint = f"; value_range takes {low:g} to {high:g}"
    return pl.when(value.is_not_null()).then(pl.lit(hint)).otherwise(pl.lit(""))


def other_spelling(known_items: pl.Series) -> pl.Expr:
    """How a known item's id differs from the row's, where it is the same otherwise."""
    item, known = pl.col("item_id").cast(pl.String), known_items.cast(pl.String)
    written = (
        ("in another case", item.str.to_lowercase(), known.str.to_lowercase()),
        (
            "with other zeros before it",
            item.str.strip_chars_start("0"),
            known.str.strip_chars_start("0"),
        ),
    )
    return pl.coalesce(
        *(
            pl.when(row_id.is_in(known_ids.unique().implode())).then(
                pl.lit(f"; the items have it {difference}: write both alike")
            )
            for difference, row_id, known_ids in written
        ),
        pl.lit(""),
    )
