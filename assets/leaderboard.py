"""Which model is the best on which split, and how sure that is."""

from typing import Any

import polars as pl
import polars.selectors as cs

from assets.datasets import splits_in
from assets.evaluation import BASELINES
from assets.pictures import leaderboard_differences
from assets.table_asset import Making, table_asset
from assets.training import MODEL_TABLES, fit_seconds
from crossmodal.lake import Lake
from models.catalogue import CATALOGUE
from models.splits.names import RANKED_SPLITS

_FIGURES = {
    "ndcg_10": ("ndcg", "value"),
    "ndcg_10_low": ("ndcg", "ci_low"),
    "ndcg_10_high": ("ndcg", "ci_high"),
    "recall_10": ("recall", "value"),
    "recall_10_low": ("recall", "ci_low"),
    "recall_10_high": ("recall", "ci_high"),
    "coverage_10": ("coverage", "value"),
    "novelty_10": ("novelty", "value"),
    "diversity_10": ("diversity", "value"),
    "n_users": ("ndcg", "n_users"),
}
"""Which metric, and which column of its row, a column of the leaderboard is."""

_DIFFERENCE = {
    "difference": "difference",
    "ci_low": "difference_low",
    "ci_high": "difference_high",
    "p_holm": "p_holm",
}
"""Columns of `comparisons`, and what they are called here."""

_COLUMNS = (
    "split",
    "rank",
    "model",
    "ndcg_10",
    "ndcg_10_low",
    "ndcg_10_high",
    "recall_10",
    "recall_10_low",
    "recall_10_high",
    "best_baseline",
    *_DIFFERENCE.values(),
    "coverage_10",
    "novelty_10",
    "diversity_10",
    "n_users",
    "fit_s",
)


@table_asset(
    inputs=["metrics", "comparisons", *MODEL_TABLES],
    # Which splits there are is known by the models that were fitted on them.
    also_reads=["splits"],
    pictures=("leaderboard",),
    group="evaluation",
    kinds={"parquet"},
    code_version="1",
)
def leaderboard(making: Making) -> None:
    """Every model on every ranked split, best first, compared with the best of the baselines."""
    board = _board(making.lake)
    leaderboard_differences(making.workspace.paths.pictures / "leaderboard.png", board)
    shown = [readable(row) for row in board.iter_rows(named=True)]
    making.lake.write("leaderboard", board, making.stamp, headline=shown)


def readable(row: dict[str, Any], digits: int = 4) -> dict[str, str]:
    """A row of the leaderboard for people: figures rounded, their intervals in brackets."""

    def rounded(column: str, digits: int = digits) -> str:
        return "" if row[column] is None else f"{row[column]:.{digits}f}"

    def with_interval(column: str) -> str:
        ends = f"[{rounded(f'{column}_low')}, {rounded(f'{column}_high')}]"
        return "" if row[column] is None else f"{rounded(column)} {ends}"

    return {
        "split": row["split"],
        "model": row["model"],
        "NDCG@10": with_interval("ndcg_10"),
        "recall@10": with_interval("recall_10"),
        "less the best baseline": with_interval("difference"),
        "best baseline": row["best_baseline"] or "",
        "p (Holm)": rounded("p_holm"),
        "coverage": rounded("coverage_10", 2),
        "novelty": rounded("novelty_10", 2),
        "diversity": rounded("diversity_10", 2),
        "fit, s": rounded("fit_s", 1),
    }


def _board(lake: Lake) -> pl.DataFrame:
    splits = splits_in(lake, RANKED_SPLITS)
    figures = lake.read("metrics").filter(
        (pl.col("segment") == "all") & (pl.col("k") == 10) & pl.col("split").is_in(splits)
    )
    board = figures.group_by("split", "model", maintain_order=True).agg(
        pl.col(column).filter(pl.col("metric") == metric).first().alias(name)
        for name, (metric, column) in _FIGURES.items()
    )
    # Where no user had anything to find there are no figures.
    board = board.with_columns(cs.float().fill_nan(None), pl.col("n_users").fill_null(0))
    differences = lake.read("comparisons").select(
        "split", "model", pl.col("baseline").alias("best_baseline"), pl.col(*_DIFFERENCE)
    )
    ordered = (
        board.join(_best_baselines(board), on="split", how="left")
        .join(differences.rename(_DIFFERENCE), on=["split", "model", "best_baseline"], how="left")
        .join(_fit_seconds(lake), on=["split", "model"], how="left")
        .sort(
            pl.col("split").replace_strict(splits, range(len(splits))),
            "ndcg_10",
            "model",
            descending=[False, True, False],
            nulls_last=True,
        )
    )
    places = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("split")
    return ordered.with_columns(rank=places).select(_COLUMNS)


def _best_baselines(board: pl.DataFrame) -> pl.DataFrame:
    """The baseline with the highest NDCG@10 of each split: on test, which favours it."""
    baselines = board.filter(pl.col("model").is_in(BASELINES))
    best = baselines.sort("ndcg_10", descending=True, maintain_order=True)
    return best.group_by("split", maintain_order=True).agg(
        pl.col("model").first().alias("best_baseline")
    )


def _fit_seconds(lake: Lake) -> pl.DataFrame:
    rows = [
        (entry.name, split, seconds)
        for entry in CATALOGUE
        for split, seconds in fit_seconds(lake, entry.name).items()
    ]
    schema = {"model": pl.String, "split": pl.String, "fit_s": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
