"""One file that stands for many items, such as a "no picture" picture, says nothing of any."""

import polars as pl

_FEWEST = 3


def set_aside_placeholders(
    rows: pl.DataFrame, max_share: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Counts an item's file as missing where too many items have the same file.

    Args:
        rows: of the media table.
        max_share: the largest share of a modality's usable files that may have the same content.

    Returns:
        The rows, those with a placeholder set to missing and with the reason; and one row per
        placeholder: modality, uri of the first item that has it, how many items have it, and of
        how many.
    """
    content = ("modality", "sha256")
    usable = rows.filter(pl.col("status") == "ok")
    placeholders = (
        usable.group_by(content)
        .agg(uri=pl.col("uri").first(), items=pl.len())
        .join(usable.group_by("modality").agg(of=pl.len()), on="modality")
        .filter((pl.col("items") > max_share * pl.col("of")) & (pl.col("items") >= _FEWEST))
        .sort("modality", "uri")
    )
    reason = pl.format(
        "The same file is the {} of {} of {} items: a placeholder, which counts as missing.",
        "modality",
        "items",
        "of",
    )
    marked = rows.join(
        placeholders.select(*content, placeholder=reason),
        on=content,
        how="left",
        maintain_order="left",
    )
    known = pl.col("placeholder").is_not_null() & (pl.col("status") == "ok")
    status = pl.when(known).then(pl.lit("missing")).otherwise("status")
    error = pl.when(known).then("placeholder").otherwise("error")
    updated = marked.with_columns(status=status, error=error).drop("placeholder")
    return updated, placeholders.drop("sha256")
