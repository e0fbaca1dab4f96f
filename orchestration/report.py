"""What a run found, for people and for programs: JSON, text, and one self-contained page."""

import base64
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.recommendations import NEW_USER
from assets.stage import input_version
from crossmodal.atomic import atomic_write_bytes
from crossmodal.lake import Lake, TableMissingError
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

_HEADLINE_METRICS = ("ndcg", "recall", "mrr")
_PICTURES = {
    "posters": "Posters of the catalogue",
    "spectrograms": "Sounds of the catalogue, as log-mel spectrograms",
    "shared_space": "The shared space in two dimensions, by category",
    "training_curves": "Training",
    "metric_intervals": "NDCG@10 with 95 % intervals",
}
_THUMBNAIL = (96, 144)
_REPORT_USERS = 10
_REPORT_ITEMS = 8


class ReportNotReadyError(RuntimeError):
    """There is nothing to report yet; the message says what to run."""


def collect_report(settings: Settings) -> dict[str, Any]:
    """The figures of the last run, JSON-able.

    Keys: dataset, counts, media, alignment, metrics, comparisons, timings, model_version, rejects.

    Raises:
        ReportNotReadyError: the pipeline has not run to its end in this home yet.
    """
    workspace = Workspace(settings)
    lake = workspace.lake
    try:
        return {
            "dataset": _dataset(settings, lake),
            "counts": _counts(lake),
            "rejects": lake.version("rejects").summary["by_reason"],
            "media": _media(lake),
            "alignment": _alignment(lake),
            "metrics": lake.read("metrics").drop("run_id").to_dicts(),
            "comparisons": lake.read("comparisons").to_dicts(),
            "timings": _timings(workspace),
            "model_version": lake.read("user_recommendations")["model_version"][0],
        }
    except TableMissingError as error:
        raise ReportNotReadyError(f"Nothing to report yet. {error}") from error


def headline_metrics(metrics: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows people look at first: whole population, cut-off 10, best model first."""
    return (
        pl.DataFrame(metrics)
        .filter(
            (pl.col("segment") == "all")
            & (pl.col("k") == 10)
            & pl.col("metric").is_in(_HEADLINE_METRICS)
        )
        .sort(["split", "metric", "value"], descending=[True, False, True])
        .select("split", "model", "metric", "value", "ci_low", "ci_high")
    )
