"""The rows that say which version is champion, why, and how it compares with the others."""

from typing import TYPE_CHECKING, Any

import polars as pl

from assets.evaluation import COMPARED

if TYPE_CHECKING:
    from models.evaluation import Comparison, PairedDifference

RIVALS = "champion_rivals"
"""The lake table of the champion compared with all other models, on the test events."""

_CHAMPION = {
    "version": pl.String,
    "candidate": pl.String,
    "before": pl.String,
    "promoted": pl.Boolean,
    "reason": pl.String,
    "over_popularity": pl.Float64,
    "over_popularity_low": pl.Float64,
    "over_popularity_high": pl.Float64,
}

_RIVALS = {
    "champion": pl.String,
    "model": pl.String,
    **COMPARED,
}


def champion_row(
    version: str,
    candidate: str,
    before: str | None,
    reason: str,
    over_popularity: "PairedDifference | None",
) -> pl.DataFrame:
    """The table `champion`, which has one row.

    Args:
        version: the champion.
        candidate: the version of this run that could become champion.
        before: the champion before; None where there was none.
        reason: why this version is champion.
        over_popularity: the champion's NDCG@10 less that of popularity; None where it was not
            judged.
    """
    over = over_popularity
    row = {
        "version": version,
        "candidate": candidate,
        "before": before or "",
        "promoted": version == candidate,
        "reason": reason,
        "over_popularity": None if over is None else over.mean,
        "over_popularity_low": None if over is None else over.low,
        "over_popularity_high": None if over is None else over.high,
    }
    return pl.DataFrame([row], schema=_CHAMPION)


def rival_rows(named: str, rivals: dict[str, "Comparison"]) -> pl.DataFrame:
    """The table `champion_rivals`: the version that is champion, compared with each model."""
    rows = [
        {"champion": named, "model": name, **vars(comparison)}
        for name, comparison in rivals.items()
    ]
    return pl.DataFrame(rows, schema=_RIVALS)


def rivals_shown(rivals: dict[str, "Comparison"]) -> list[dict[str, Any]]:
    """The comparisons for readers: how much better the champion is than each model."""
    return [
        {
            "model": name,
            "champion less the model": f"{comparison.difference:+.4f} "
            f"[{comparison.ci_low:+.4f}, {comparison.ci_high:+.4f}]",
            "p (Holm)": f"{comparison.p_holm:.4f}",
        }
        for name, comparison in sorted(rivals.items(), key=lambda entry: entry[1].difference)
    ]
