"""Several draws of one split as one: what is averaged, what is resampled, who is best."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.quality import __main__ as command
from benchmarks.quality.comparing import compare
from benchmarks.quality.page import tables
from benchmarks.quality.pooling import pooled
from benchmarks.quality.running import Run
from benchmarks.quality.tables import SplitFigures
from models.evaluation import EvaluationConfig, bootstrap_interval, paired_differences
from models.splits.names import COLD_ITEM

CONFIG = EvaluationConfig(samples=400)
KINDS = {"peer": "peer", "popular": "baseline"}


def draw(
    seed: int,
    users: list[int],
    per_user: Mapping[str, list[float] | np.ndarray],
    validation: Mapping[str, float],
) -> SplitFigures:
    models = [
        {
            "model": name,
            "kind": KINDS.get(name, "ours"),
            "split": COLD_ITEM,
            "seed": seed,
            "settings": {"drawn": seed},
            "validation": validation[name],
        }
        for name in per_user
    ]
    values = {name: np.asarray(own, dtype=np.float64) for name, own in per_user.items()}
    return SplitFigures(COLD_ITEM, seed, [], [], models, [], np.array(users, np.int32), values)


def test_figures_are_means_over_all_pairs_of_a_draw_and_a_user() -> None:
    first = draw(42, [0, 1, 4], {"a": [0.0, 0.3, 0.6]}, {"a": 0.2})
    second = draw(43, [1], {"a": [0.9]}, {"a": 0.4})
    rows, comparisons = pooled([first, second], CONFIG)
    assert comparisons == []
    (row,) = rows
    assert row["value"] == pytest.approx(1.8 / 4)
    assert row["ci_low"] <= row["value"] <= row["ci_high"]
    assert row["validation"] == pytest.approx(0.3)
    assert row["by_draw"] == pytest.approx([0.3, 0.9])
    assert (row["draws"], row["n_users"], row["n_pairs"]) == ([42, 43], 3, 4)


def test_a_user_in_two_draws_is_no_two_users() -> None:
    rng = np.random.default_rng(0)
    own = {"a": rng.random(80), "b": rng.random(80)}
    validation = {"a": 0.5, "b": 0.4}
    users = list(range(80))
    rows, comparisons = pooled([draw(seed, users, own, validation) for seed in (1, 2, 3)], CONFIG)
    alone = bootstrap_interval(own["a"], CONFIG.samples, CONFIG.seed)
    assert [rows[0][name] for name in ("value", "ci_low", "ci_high")] == pytest.approx(
        [alone.value[0], alone.low[0], alone.high[0]]
    )
    (once,) = compare("a", own, {"all": np.ones(80, bool)}, COLD_ITEM, CONFIG)
    (thrice,) = comparisons
    for name in ("difference", "ci_low", "ci_high", "p_holm", "ratio", "ratio_low", "ratio_high"):
        assert thrice[name] == pytest.approx(once[name])


def test_a_difference_of_sums_is_that_of_the_figures() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 6, 60).astype(np.float64)
    user_of = np.repeat(np.arange(60), counts.astype(int))
    a, b = rng.random((2, len(user_of)))
    sums = [np.bincount(user_of, values)[:, None] for values in (a, b)]
    (found,) = paired_differences(*sums, 400, 3, counts)
    assert found.mean == pytest.approx((a - b).mean())
    assert found.low < found.mean < found.high
    (shifted,) = paired_differences(sums[0] + 0.1 * counts[:, None], sums[1], 400, 3, counts)
    assert [shifted.low - found.low, shifted.high - found.high] == pytest.approx([0.1, 0.1])


def test_all_draws_together_choose_our_best() -> None:
    values = {"a": [0.1, 0.2], "b": [0.5, 0.1], "peer": [0.9, 0.9], "popular": [0.0, 0.0]}
    first = draw(1, [0, 1], values, {"a": 0.5, "b": 0.4, "peer": 0.9, "popular": 0.9})
    second = draw(2, [0, 1], values, {"a": 0.1, "b": 0.4, "peer": np.nan, "popular": 0.9})
    rows, comparisons = pooled([first, second], CONFIG)
    assert {row["model"] for row in comparisons} == {"b"}
    assert [row["other"] for row in comparisons] == ["a", "peer", "popular"]
    assert np.isnan(next(row for row in rows if row["model"] == "peer")["validation"])


def test_who_answered_in_some_draws_is_not_pooled() -> None:
    told = {"a": 0.5, "b": 0.4}
    first = draw(1, [0, 1], {"a": [0.1, 0.2], "b": [0.5, 0.1]}, told)
    second = draw(2, [0, 1], {"b": [0.5, 0.1]}, told)
    assert [row["model"] for row in pooled([first, second], CONFIG)[0]] == ["b"]
    assert pooled([first, draw(2, [0, 1], {}, told)], CONFIG) == ([], [])


def test_each_draw_is_made_once_with_the_settings_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, tuple[str, ...], Mapping[str, Any]]] = []

    def on_seed(run: Run, chosen: Any, splits: tuple[str, ...]) -> list[SplitFigures]:
        asked.append((run.seed, splits, run.settings))
        values = {"hmdf": [0.4, 0.6], "peer": [0.1, 0.2]}
        return [draw(run.seed, [0, 1], values, {"hmdf": 0.5, "peer": 0.3})]

    class Source:
        def fetch(self) -> None:
            pass

    monkeypatch.setattr(command, "_on_seed", on_seed)
    monkeypatch.setattr(command, "open_source", lambda *_, **__: Source())
    out, splits = tmp_path / "quality.json", ["--splits", COLD_ITEM]
    arguments = ["films", *splits, "--skip-peers", "--draws", "42,43,43,44", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["quality", *arguments])
    assert command.main() == 0
    tuned = {"peer": {"drawn": 42}}
    assert asked == [(42, (COLD_ITEM,), {}), (43, (COLD_ITEM,), tuned), (44, (COLD_ITEM,), tuned)]
    found = json.loads(out.read_text())
    assert [row["model"] for row in found["pooled"]] == ["hmdf", "peer"]
    assert [row["other"] for row in found["pooled_comparisons"]] == ["peer"]


def test_pooled_figures_come_onto_the_page() -> None:
    validation = {"a": 0.25, "peer": np.nan}
    draws = [
        draw(seed, [0, 1, 2], {"peer": [0.1, 0.1, 0.1], "a": [0.2, 0.2, 0.2]}, validation)
        for seed in (42, 43)
    ]
    rows, comparisons = pooled(draws, CONFIG)
    none = {"rows": [], "models": [], "comparisons": [], "skipped": []}
    facts = {"data": "films", "commit": "abc", "cpus": 2, "seed": 42}
    found = command._finite({"pooled": rows, "pooled_comparisons": comparisons})
    text = tables(none | facts | found, "make bench", "2026-01-02")
    assert "### cold-item, 2 draws" in text and "### a compared with the others, cold-item" in text
    assert "| model | kind | NDCG@10 | validation | draw 42 | draw 43 |" in text
    own = "| a | ours | 0.2000 [0.2000, 0.2000] | 0.2500 | 0.2000 | 0.2000 |"
    other = "| peer | peer | 0.1000 [0.1000, 0.1000] | – | 0.1000 | 0.1000 |"
    assert text.index(own) < text.index(other)
    assert "| peer | 0.1000 [0.1000, 0.1000] |" in text and "2.00 [2.00, 2.00] |" in text
