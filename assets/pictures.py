"""Pictures for the web UI and the report. Each is one PNG in the state folder."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crossmodal.atomic import atomic_path
from crossmodal.modalities import MODALITIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

_THUMBNAIL = (92, 138)
_SHEET_COLUMNS = 10
_SPECTROGRAM_COLUMNS = 4
_DPI = 90
_MOST_CATEGORIES = 8
_COLOURS = {name: f"C{place}" for place, name in enumerate(MODALITIES)}
_ALPHA = 0.05


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
    with atomic_path(path) as temporary:
        sheet.quantize(128).save(temporary, "PNG", optimize=True)


def spectrograms(path: Path, sounds: Mapping[str, np.ndarray], rate: int) -> None:
    """Log-power spectrograms of some sounds (mono float32 at `rate` Hz), titled by item."""
    columns = min(_SPECTROGRAM_COLUMNS, max(1, len(sounds)))
    rows = max(1, -(-len(sounds) // columns))
    figure = figure_of(columns * 2.6, rows * 1.9)
    for index, (title, sound) in enumerate(sounds.items(), start=1):
        axes = figure.add_subplot(rows, columns, index)
        axes.specgram(np.asarray(sound) + 1e-7, NFFT=512, Fs=rate, noverlap=256, cmap="magma")
        axes.set_title(title[:24], fontsize=7)
        axes.tick_params(labelsize=6)
        axes.set_ylim(0, rate / 2)
    save(figure, path)


def training_curves(
    path: Path, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> None:
    """Training loss (left) and validation figure (right) by epoch, one panel per model."""
    figure = figure_of(3.4 * max(1, len(curves)), 2.6)
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
    save(figure, path)


def search_trials(path: Path, trials: pl.DataFrame) -> None:
    """One panel per model: each trial's validation NDCG@10, the best so far, and the defaults'.

    A hollow mark is a trial that was pruned: what it had reached when it was stopped.
    """
    panels = trials.partition_by("model", maintain_order=True)
    figure = figure_of(3.4 * max(1, len(panels)), 2.6)
    for index, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), index)
        complete = panel.filter(pl.col("state") == "complete")
        pruned = panel.filter(pl.col("state") == "pruned")
        for rows, face in ((complete, "tab:blue"), (pruned, "white")):
            place, value = rows["trial"].to_numpy(), rows["value"].to_numpy()
            axes.scatter(place, value, s=16, facecolors=face, edgecolors="tab:blue")
        best = complete["value"].cum_max().to_numpy()
        axes.step(complete["trial"].to_numpy(), best, where="post", color="tab:orange")
        for default in complete.filter(pl.col("trial") == 0)["value"]:
            axes.axhline(default, color="grey", linewidth=0.8, linestyle=":")
        axes.set_title(f"{panel['model'][0]}, {panel['split'][0]}", fontsize=8)
        axes.set_xlabel("trial", fontsize=7)
        axes.set_ylabel("validation NDCG@10", fontsize=7)
        axes.tick_params(labelsize=6)
    save(figure, path)


def metric_intervals(path: Path, metrics: pl.DataFrame) -> None:
    """One panel per split: each model's NDCG@10 over all users, with its 95 % interval."""
    chosen = metrics.filter(
        (pl.col("metric") == "ndcg") & (pl.col("k") == 10) & (pl.col("segment") == "all")
    )
    splits = chosen["split"].unique(maintain_order=True).to_list()
    figure = figure_of(5.0 * max(1, len(splits)), 0.35 * max(6, chosen["model"].n_unique()) + 0.8)
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
    save(figure, path)


def leaderboard_differences(path: Path, leaderboard: pl.DataFrame) -> None:
    """One panel per split: each model's NDCG@10 less that of the best baseline, with its interval.

    A full mark is a difference that is left once all models of the panel were looked at.
    """
    chosen = leaderboard.filter(pl.col("difference").is_not_null())
    panels = chosen.partition_by("split", maintain_order=True)
    tallest = max((panel.height for panel in panels), default=1)
    figure = figure_of(5.0 * max(1, len(panels)), 0.3 * max(5, tallest) + 0.8)
    for index, panel in enumerate(panels, start=1):
        rows = panel.reverse()
        axes = figure.add_subplot(1, len(panels), index)
        for place, row in enumerate(rows.iter_rows(named=True)):
            value, p = row["difference"], row["p_holm"]
            ends = [[value - row["difference_low"]], [row["difference_high"] - value]]
            face = "tab:blue" if p < _ALPHA else "white"
            axes.errorbar(value, place, xerr=ends, fmt="o", c="tab:blue", mfc=face, capsize=3)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(rows.height), rows["model"].to_list(), fontsize=7)
        split, baseline = rows.row(0, named=True)["split"], rows["best_baseline"][0]
        axes.set_title(f"NDCG@10 less that of {baseline}, {split}", fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
        axes.grid(axis="x", alpha=0.3)
    save(figure, path)


def modality_worth(path: Path, worth: pl.DataFrame) -> None:
    """One panel per split: each model's Shapley values, a bar per modality, with 95 % intervals."""
    shapley = worth.filter(pl.col("measure") == "shapley")
    panels = shapley.partition_by("split", maintain_order=True)
    most = max((panel["model"].n_unique() for panel in panels), default=1)
    figure = figure_of(1.5 * max(4, most), 2.9 * max(1, len(panels)))
    for index, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(len(panels), 1, index)
        models = panel["model"].unique(maintain_order=True).to_list()
        for place, rows in enumerate(panel.partition_by("model", maintain_order=True)):
            _modality_bars(axes, place, rows)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(range(len(models)), models, fontsize=7)
        axes.set_ylabel("Shapley value, NDCG@10", fontsize=7)
        axes.set_title(f"What each modality is worth, {panel['split'][0]}", fontsize=8)
        axes.tick_params(axis="y", labelsize=7)
        axes.grid(axis="y", alpha=0.3)
        _modality_legend(axes, panel)
    save(figure, path)


def _modality_bars(axes: "Axes", place: int, rows: pl.DataFrame) -> None:
    """One model's bars next to each other, centred on its place."""
    width = 0.8 / len(MODALITIES)
    for turn, row in enumerate(rows.iter_rows(named=True)):
        value = row["value"]
        axes.bar(
            place + (turn - (rows.height - 1) / 2) * width,
            value,
            width,
            yerr=[[value - row["ci_low"]], [row["ci_high"] - value]],
            color=_COLOURS[row["modality"]],
            error_kw={"linewidth": 0.8, "capsize": 2},
        )


def _modality_legend(axes: "Axes", rows: pl.DataFrame) -> None:
    from matplotlib.patches import Patch

    shown = [name for name in MODALITIES if name in set(rows["modality"])]
    patches = [Patch(color=_COLOURS[name], label=name) for name in shown]
    axes.legend(handles=patches, fontsize=6, loc="best")


def missing_curves(path: Path, curves: pl.DataFrame) -> None:
    """NDCG@10 by the share of items that lost a modality: a row per split, a column per modality.

    Each model is a line, with its 95 % interval as a band; the panels of a row share one scale.
    """
    splits = curves["split"].unique(maintain_order=True).to_list()
    modalities = [name for name in MODALITIES if name in set(curves["modality"])]
    models = curves["model"].unique(maintain_order=True).to_list()
    colours = {model: f"C{place % 10}" for place, model in enumerate(models)}
    figure = figure_of(2.7 * max(1, len(modalities)), 2.6 * max(1, len(splits)) + 0.4)
    first: Axes | None = None
    for index, (split, modality) in enumerate(product(splits, modalities)):
        first = None if index % len(modalities) == 0 else first
        place = (len(splits), len(modalities), index + 1)
        axes = figure.add_subplot(*place, sharey=first)
        first = first or axes
        panel = curves.filter((pl.col("split") == split) & (pl.col("modality") == modality))
        for line in panel.partition_by("model", maintain_order=True):
            _curve(axes, line, colours[line["model"][0]])
        axes.set_title(f"{modality}, {split}", fontsize=8)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100"], fontsize=6)
        axes.set_xlabel("% of its items that lost it", fontsize=6)
        if first is axes:
            axes.set_ylabel("NDCG@10", fontsize=6)
        axes.tick_params(axis="y", labelsize=6)
        axes.grid(alpha=0.3)
    _model_legend(figure, colours)
    save(figure, path)


def _curve(axes: "Axes", line: pl.DataFrame, colour: str) -> None:
    share = line["share"].to_numpy()
    axes.plot(share, line["value"].to_numpy(), color=colour, linewidth=1.2)
    low, high = line["ci_low"].to_numpy(), line["ci_high"].to_numpy()
    axes.fill_between(share, low, high, color=colour, alpha=0.15, linewidth=0)


def _model_legend(figure: "Figure", colours: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=colour, label=model) for model, colour in colours.items()]
    figure.legend(handles=lines, fontsize=7, loc="outside lower center", ncols=6)


def shared_space(path: Path, vectors: Mapping[str, np.ndarray], groups: Sequence[str]) -> None:
    """The shared space on its first two principal axes: a panel per modality, a colour per group.

    Args:
        path: of the PNG.
        vectors: per modality (n, d), NaN rows where an item lacks it; same items in each.
        groups: (n,) the category of each item.
    """
    named = pl.Series(groups).value_counts(sort=True)[:, 0].to_list()[:_MOST_CATEGORIES]
    axes_of_space = _principal_axes(np.concatenate(list(vectors.values())))
    figure = figure_of(3.3 * len(vectors), 3.3)
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
    save(figure, path)


def _principal_axes(matrix: np.ndarray) -> np.ndarray:
    known = matrix[~np.isnan(matrix).any(axis=1)]
    centred = known - known.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    first = axes[:2].T
    return first * np.sign(first[np.abs(first).argmax(axis=0), [0, 1]])


def figure_of(width: float, height: float) -> "Figure":
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: "Figure", path: Path) -> None:
    """Writes a figure as PNG in one step; equal figures give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})
