"""One picture of which model to take, for what: quality against the time of a fit.

    python -m benchmarks.quality.picture out/quality.json [more.json] --mixed out/mixed.json

A row a data set (one JSON of the quality benchmark each), a column for known users' next choices,
one for items nobody has touched, and one for both in one list; a split that no data set was
measured on is left out.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.quality.measuring import HEADLINE
from crossmodal.atomic import atomic_path
from models.splits.names import COLD_ITEM, USER_TEMPORAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"ours": "tab:blue", "baseline": "tab:gray", "peer": "tab:orange"}
_TITLES = {USER_TEMPORAL: "warm: what known users choose next", COLD_ITEM: "cold: new items alone"}
_NAMED = 8
_SHORTEST_S = 0.05


def points(result: Mapping[str, Any], split: str) -> list[Mapping[str, Any]]:
    """The models' headline figures on a split, the best first."""
    rows = [
        row
        for row in result["rows"]
        if (row["split"], row["segment"], row["seed"]) == (split, "all", result["seed"])
        and (row["metric"], row["k"]) == HEADLINE
    ]
    return sorted(rows, key=lambda row: -row["value"])


def draw(path: Path, results: Sequence[Mapping[str, Any]], mixed: Mapping[str, Any] | None) -> None:
    """Writes the picture as PNG."""
    from matplotlib.figure import Figure

    splits = [split for split in _TITLES if any(points(result, split) for result in results)]
    columns = len(splits) + 1
    figure = Figure(figsize=(4.4 * columns, 4.2 * len(results)), layout="constrained")
    grid = figure.subplots(len(results), columns, squeeze=False)
    for result, row in zip(results, grid, strict=True):
        for split, axes in zip(splits, row[:-1], strict=True):
            _scatter(axes, points(result, split))
            axes.set_title(f"{result['data']}\n{_TITLES[split]}", fontsize=9)
        same = mixed is not None and mixed["data"] == result["data"]
        _bars(row[-1], mixed["rows"] if same and mixed is not None else [])
        row[-1].set_title(f"{result['data']}\nmixed: a tenth of the items is new", fontsize=9)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        figure.savefig(file, format="png", dpi=90)


def _scatter(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        axes.text(0.5, 0.5, "not measured", ha="center")
        axes.set_axis_off()
        return
    for rank, row in enumerate(rows):
        seconds = max(row["fit_s"], _SHORTEST_S)
        spread = [[row["value"] - row["ci_low"]], [row["ci_high"] - row["value"]]]
        first = {"markersize": 11, "marker": "*"} if rank == 0 else {"markersize": 5, "marker": "o"}
        axes.errorbar(
            seconds, row["value"], yerr=spread, color=_COLOURS[row["kind"]], linewidth=0.6, **first
        )
        if rank < _NAMED:
            place = (seconds, row["value"])
            axes.annotate(row["model"], place, (4, 3), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("seconds of one fit", fontsize=8)
    axes.set_ylabel("NDCG@10", fontsize=8)
    axes.tick_params(labelsize=7)
    for kind, colour in _COLOURS.items():
        axes.plot([], [], "o", color=colour, label=kind)
    axes.legend(fontsize=7, loc="upper left")


def _bars(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        axes.text(0.5, 0.5, "not measured", ha="center")
        axes.set_axis_off()
        return
    places = range(len(rows))
    axes.barh(places, [row["ndcg"] for row in rows], 0.4, label="NDCG@10 of all items")
    axes.barh(
        [place + 0.4 for place in places],
        [row["recall_of_new"] for row in rows],
        0.4,
        label="recall@50 of new items",
    )
    axes.set_yticks([place + 0.2 for place in places], [row["name"] for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    axes.legend(fontsize=7)


def main() -> None:
    """Draws from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+", help="JSON of the quality benchmark")
    parser.add_argument("--mixed", type=Path, help="JSON of benchmarks.mixed")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/quality.png"))
    chosen = parser.parse_args()
    mixed = None if chosen.mixed is None else json.loads(chosen.mixed.read_text())
    draw(chosen.out, [json.loads(path.read_text()) for path in chosen.results], mixed)
    print(f"Written to {chosen.out}.")


if __name__ == "__main__":
    main()
