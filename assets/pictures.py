"""Pictures for the web UI and the report. Each is one PNG in the state folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crossmodal.atomic import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_THUMBNAIL = (92, 138)
_SHEET_COLUMNS = 10
_SPECTROGRAM_COLUMNS = 4
_DPI = 90
_MOST_CATEGORIES = 8


def contact_sheet(path: Path, pictures: Sequence["Image"]) -> None:
    """Thumbnails in a grid, each centred in its cell."""
    from PIL import Image

    width, height = _THUMBNAIL
    rows = max(1, -(-len(pictures) // _SHEET_COLUMNS))
    sheet = Image.new("RGB", (width * _SHEET_COLUMNS, height * rows), "white")
    for index, picture in enumerate(pictures):
        small = picture.copy()
        small.thumbnail((width - 4, height - 4))
        row, column = divmod(index, _SHEET_COLUMNS)
        left = column * width + (width - small.width) // 2
        top = row * height + (height - small.height) // 2
        sheet.paste(small, (left, top))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as beside:
        sheet.quantize(128).save(beside, "PNG", optimize=True)


def spectrograms(path: Path, sounds: Mapping[str, np.ndarray], rate: int) -> None:
    """Log-power spectrograms of some sounds (mono float32 at `rate` Hz), titled by item."""
    columns = min(_SPECTROGRAM_COLUMNS, max(1, len(sounds)))
    rows = max(1, -(-len(sounds) // columns))
    figure = _figure(columns * 2.6, rows * 1.9)
    for index, (title, sound) in enumerate(sounds.items(), start=1):
        axes = figure.add_subplot(rows, columns, index)
        axes.specgram(np.asarray(sound) + 1e-7, NFFT=512, Fs=rate, noverlap=256, cmap="magma")
        axes.set_title(title[:24], fontsize=7)
        axes.tick_params(labelsize=6)
        axes.set_ylim(0, rate / 2)
    _save(figure, path)


def training_curves(
    path: Path, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> None:
    """Training loss (left) and validation figure (right) by epoch, one panel a model."""
    figure = _figure(3.4 * max(1, len(curves)), 2.6)
    for index, (model, (losses, validation)) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(1, len(curves), index)
        axes.plot(range(1, len(losses) + 1), losses, color="tab:blue")
        axes.set_title(model, fontsize=8)
        axes.set_xlabel("epoch", fontsize=7)
        axes.set_ylabel("training loss", color="tab:blue", fontsize=7)
        axes.tick_params(labelsize=6)
        if validation:
            other = axes.twinx()
            other.plot(range(1, len(validation) + 1), validation, color="tab:orange")
            other.set_ylabel("validation", color="tab:orange", fontsize=7)
            other.tick_params(labelsize=6)
    _save(figure, path)


def metric_intervals(path: Path, metrics: pl.DataFrame) -> None:
    """One panel a split: each model's NDCG@10 over all users, with its 95 % interval."""
    chosen = metrics.filter(
        (pl.col("metric") == "ndcg") & (pl.col("k") == 10) & (pl.col("segment") == "all")
    )
    splits = chosen["split"].unique(maintain_order=True).to_list()
    figure = _figure(5.0 * max(1, len(splits)), 0.35 * max(6, chosen["model"].n_unique()) + 0.8)
    for index, split in enumerate(splits, start=1):
        rows = chosen.filter(pl.col("split") == split).sort("value")
        axes = figure.add_subplot(1, len(splits), index)
        low = (rows["value"] - rows["ci_low"]).to_numpy()
        high = (rows["ci_high"] - rows["value"]).to_numpy()
        axes.errorbar(
            rows["value"].to_numpy(), range(rows.height), xerr=[low, high], fmt="o", capsize=3
        )
        axes.set_yticks(range(rows.height), rows["model"].to_list(), fontsize=7)
        axes.set_title(f"NDCG@10, {split}", fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
        axes.grid(axis="x", alpha=0.3)
    _save(figure, path)


def shared_space(path: Path, vectors: Mapping[str, np.ndarray], groups: Sequence[str]) -> None:
    """The shared space on its first two principal axes: a panel a modality, a colour a group.

    Args:
        path: of the PNG.
        vectors: per modality (n, d), NaN rows where an item lacks it; same items in each.
        groups: (n,) the category of each item.
    """
    named = pl.Series(groups).value_counts(sort=True)[:, 0].to_list()[:_MOST_CATEGORIES]
    axes_of_space = _principal_axes(np.concatenate(list(vectors.values())))
    figure = _figure(3.3 * len(vectors), 3.3)
    labels = np.asarray(groups)
    for index, (modality, matrix) in enumerate(vectors.items(), start=1):
        points = matrix @ axes_of_space
        axes = figure.add_subplot(1, len(vectors), index)
        for name in named:
            chosen = points[labels == name]
            axes.scatter(chosen[:, 0], chosen[:, 1], s=5, label=name, alpha=0.7)
        axes.set_title(modality, fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.axes[-1].legend(fontsize=6, markerscale=2, loc="best")
    _save(figure, path)


def _principal_axes(matrix: np.ndarray) -> np.ndarray:
    known = matrix[~np.isnan(matrix).any(axis=1)]
    centred = known - known.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    first = axes[:2].T
    return first * np.sign(first[np.abs(first).argmax(axis=0), [0, 1]])


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: "Figure", path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as beside:
        figure.savefig(beside, format="png", dpi=_DPI, metadata={"Software": None})
