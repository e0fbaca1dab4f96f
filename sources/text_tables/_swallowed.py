"""Lines that a quoted cell swallowed because two stray quotes happen to pair."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sources.own_columns import FAULT, ROW, SHORT
from sources.protocol import SourceError
from sources.text_tables._cells import CELLS, split_bare
from sources.text_tables._lines import LINE
from sources.text_tables._quotes import Grammar, Spans

_SHAPE_ROWS = 5_000
_SHAPED = 0.98
_ALIKE = 0.8
_NUMBER_LIKE = r"^[-+]?\d[\d.,:/TZ+ -]*$"
_WORD_LIKE = r"^\S+$"


def require_nothing_swallowed(
    path: Path, lines: pl.LazyFrame, spans: Spans, names: Sequence[str], grammar: Grammar
) -> None:
    """Finds cells whose inner lines look like rows: two stray quotes were taken for a pair.

    Raises:
        SourceError: there is one; it names the line of its quote.
    """
    rest = spans.continuations()
    bare = lines.filter(~pl.col(LINE).str.contains(grammar.quote, literal=True))
    sample = split_bare(bare.head(_SHAPE_ROWS), grammar.separator, names).filter(
        pl.col(FAULT).is_null() & ~pl.col(SHORT)
    )
    shaped = _shapes(sample.collect(), names)
    if not shaped:
        return
    inner = lines.join(rest.lazy(), on=ROW, how="inner", maintain_order="left")
    cells = pl.col(LINE).str.replace_all(grammar.quote, "", literal=True)
    fields = inner.with_columns(cells.str.splitn(grammar.separator, len(names) + 1).alias(CELLS))
    alike = pl.all_horizontal(
        pl.col(CELLS).struct.field(f"field_{place}").str.contains(shape).fill_null(False)
        for place, shape in shaped.items()
    )
    whole = (
        pl.col(CELLS).struct.field(f"field_{len(names)}").is_null()
        & pl.col(CELLS).struct.field(f"field_{len(names) - 1}").is_not_null()
    )
    # One line of a text may look like a row of a table of two columns by chance.
    fewest = 1 if len(shaped) > 1 else 2
    suspects = (
        fields.group_by("start", maintain_order=True)
        .agg(rows=(alike & whole).sum(), lines=pl.len())
        .filter((pl.col("rows") >= fewest) & (pl.col("rows") >= _ALIKE * pl.col("lines")))
        .sort("start")
        .collect()
    )
    if not suspects.is_empty():
        start, rows = suspects["start"][0] + 1, suspects["rows"].sum()
        raise SourceError(
            f"{path}, line {start}: a quote opens a cell that goes on over lines that look like "
            f"rows ({rows:,} in all); write `quote: none` in the mapping where quotes are part of "
            f"the text, or `quote: '{grammar.quote}'` where these lines do belong to one cell."
        )


def _shapes(sample: pl.DataFrame, names: Sequence[str]) -> dict[int, str]:
    """The columns that hold only numbers and times; if there are none, those of only words."""
    for shape in (_NUMBER_LIKE, _WORD_LIKE):
        share = sample.select(pl.col(list(names)).str.contains(shape).fill_null(False).mean())
        shapes = {
            place: shape
            for place, name in enumerate(names)
            if sample.height and share[name][0] >= _SHAPED
        }
        if shapes:
            return shapes
    return {}
