"""What a run found as tables in Markdown, put between two marks of a page written by people."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.measuring import HEADLINE
from crossmodal.atomic import atomic_write_bytes

BEGIN = "<!-- figures: written by the benchmark -->"
END = "<!-- end of figures -->"

Row = Mapping[str, Any]
_SHOWN = ("recall", "coverage", "novelty")


class PageError(ValueError):
    """A page has no place for the figures."""


def marked_page(path: Path) -> str:
    """The text of a page that has a place for the figures.

    Raises:
        PageError: it is missing, or lacks one of the marks.
    """
    if not path.is_file():
        raise PageError(f"{path} is no file; name the page that the tables belong in.")
    page = path.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise PageError(f"{path} must hold the lines {BEGIN!r} and {END!r} once each; add them.")
    return page


def write_page(path: Path, result: Row, command: str, date: str) -> None:
    """Replaces what is between `BEGIN` and `END` of a page by a run's tables.

    Args:
        path: of the page.
        result: what `quality.json` holds.
        command: that made it, for the reader who wants to do it again.
        date: of the run.

    Raises:
        PageError: the page is missing, or lacks one of the marks.
    """
    before, rest = marked_page(path).split(BEGIN)
    _, after = rest.split(END)
    text = f"{before}{BEGIN}\n\n{tables(result, command, date)}\n\n{END}{after}"
    atomic_write_bytes(path, text.encode())


def tables(result: Row, command: str, date: str) -> str:
    """All tables of a run as Markdown."""
    split_names = (row["split"] for row in result["rows"] if row["seed"] == result["seed"])
    splits = list(dict.fromkeys(split_names))
    parts = [
        f"{date}, commit {result['commit']}, {result['cpus']} CPU cores, seed {result['seed']}, "
        f"data `{result['data']}`:\n\n    {command}"
    ]
    parts += [_leaderboard(result, split) for split in splits]
    parts += [_comparisons(result, split) for split in splits]
    parts += [_pooled(result), _ties(result), _skipped(result)]
    return "\n\n".join(part for part in parts if part)


def _leaderboard(result: Row, split: str) -> str:
    """One row per model on a split, the best first."""
    rows = [row for row in result["rows"] if _is(row, split, result["seed"], "all")]
    figures = {(row["model"], row["metric"], row["k"]): row for row in rows}
    names = list(dict.fromkeys(row["model"] for row in rows))
    rated = any(metric == "mse" for _, metric, _ in figures)
    headline = ("mse", None) if rated else HEADLINE
    others = [] if rated else [name for name in _SHOWN if (names[0], name, 10) in figures]
    models = {row["model"]: row for row in result["models"] if _is(row, split, result["seed"])}
    names.sort(key=lambda name: figures[name, *headline]["value"], reverse=not rated)
    head = ["model", "kind", "squared error" if rated else "NDCG@10", *others]
    lines = [
        [
            name,
            figures[name, *headline]["kind"],
            _interval(figures[name, *headline], "value", "ci_low", "ci_high"),
            *(f"{figures[name, metric, 10]['value']:.3f}" for metric in others),
            _number(_size(models[name]["validation"])),
            f"{models[name]['fit_s']:.1f}",
            f"{models[name]['predict_s']:.1f}",
        ]
        for name in names
    ]
    table = _table([*head, "validation", "fit, s", "lists, s"], lines)
    return f"### {split}\n\n{table}"


def _comparisons(result: Row, split: str) -> str:
    """The best model of ours compared with every other, for all users and those who come back."""
    rows = [row for row in result["comparisons"] if _is(row, split, result["seed"])]
    return _beside(rows, split) if rows else ""


def _beside(rows: Sequence[Row], place: str) -> str:
    """One model compared with all others, in order of the ratio; `place` ends the heading."""
    by = {(row["segment"], row["other"]): row for row in rows}
    segments = list(dict.fromkeys(row["segment"] for row in rows))

    def ratio(name: str) -> float:
        """Infinite (null in JSON) compared with a model that finds nothing."""
        value = by[segments[0], name]["ratio"]
        return math.inf if value is None else float(value)

    others = sorted({row["other"] for row in rows}, key=ratio)
    lines = [
        [
            name,
            _interval(by[segments[0], name], "difference", "ci_low", "ci_high"),
            _number(by[segments[0], name]["p_holm"]),
            *(
                _interval(by[segment, name], "ratio", "ratio_low", "ratio_high", digits=2)
                for segment in segments
            ),
        ]
        for name in others
    ]
    head = [
        "compared with",
        "difference",
        "p (Holm)",
        *(f"ratio, {segment}" for segment in segments),
    ]
    return f"### {rows[0]['model']} compared with the others, {place}\n\n{_table(head, lines)}"


def _pooled(result: Row) -> str:
    """NDCG@10 and validation of all draws of cold items together, and the NDCG@10 of each."""
    rows = sorted(result.get("pooled", ()), key=lambda row: -row["value"])
    if not rows:
        return ""
    draws = rows[0]["draws"]
    lines = [
        [
            row["model"],
            row["kind"],
            _interval(row, "value", "ci_low", "ci_high"),
            _number(row["validation"]),
            *map(_number, row["by_draw"]),
        ]
        for row in rows
    ]
    head = ["model", "kind", "NDCG@10", "validation", *(f"draw {seed}" for seed in draws)]
    place = f"{rows[0]['split']}, {len(draws)} draws"
    parts = [f"### {place}\n\n{_table(head, lines)}"]
    if result["pooled_comparisons"]:
        parts.append(_beside(result["pooled_comparisons"], place))
    return "\n\n".join(parts)


def _ties(result: Row) -> str:
    """NDCG@10 with events of one instant in several orders."""
    headline = [
        row
        for row in result["rows"]
        if (row["split"], row["segment"]) == ("user-temporal", "all")
        and (row["metric"], row["k"]) == HEADLINE
    ]
    seeds = sorted({row["seed"] for row in headline})
    if len(seeds) < 2:
        return ""
    values = {(row["model"], row["seed"]): row["value"] for row in headline}
    names = list(dict.fromkeys(row["model"] for row in headline))
    names.sort(key=lambda name: -values.get((name, result["seed"]), 0.0))
    lines = [[name, *(_number(values.get((name, seed))) for seed in seeds)] for name in names]
    table = _table(["model", *(f"order {seed}" for seed in seeds)], lines)
    return f"### Events of one instant in other orders, user-temporal\n\n{table}"


def _skipped(result: Row) -> str:
    lines = [[row["model"], row["split"], row["reason"]] for row in result["skipped"]]
    return f"### Left out\n\n{_table(['model', 'split', 'why'], lines)}" if lines else ""


def _is(row: Row, split: str, seed: int, segment: str | None = None) -> bool:
    wanted = (split, seed, segment or row.get("segment"))
    return (row["split"], row["seed"], row.get("segment")) == wanted


def _interval(row: Row, value: str, low: str, high: str, digits: int = 4) -> str:
    middle, least, most = (_number(row[name], digits) for name in (value, low, high))
    return f"{middle} [{least}, {most}]"


def _size(value: float | None) -> float | None:
    """Without the sign, which only says that less is better."""
    return None if value is None else abs(value)


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
