"""The picture of which model to take."""

from pathlib import Path

from PIL import Image

from benchmarks.quality.picture import draw, points


def result(name: str) -> dict:
    def row(model: str, kind: str, value: float, **other: object) -> dict:
        return {
            "model": model,
            "kind": kind,
            "split": "user-temporal",
            "segment": "all",
            "metric": "ndcg",
            "k": 10,
            "value": value,
            "ci_low": value - 0.01,
            "ci_high": value + 0.01,
            "fit_s": 2.0,
            "seed": 42,
        } | other

    rows = [
        row("ease", "baseline", 0.1),
        row("hmdf", "ours", 0.15),
        row("hmdf", "ours", 0.9, seed=43),
        row("hmdf", "ours", 0.8, metric="recall"),
        row("hmdf", "ours", 0.7, segment="head"),
    ]
    return {"data": name, "seed": 42, "rows": rows}


def test_the_best_model_of_the_run_itself_comes_first() -> None:
    found = points(result("films"), "user-temporal")
    assert [(row["model"], row["value"]) for row in found] == [("hmdf", 0.15), ("ease", 0.1)]
    assert not points(result("films"), "cold-item")


def test_every_data_set_has_a_row_also_where_something_was_not_measured(tmp_path: Path) -> None:
    mixed = {"data": "films", "rows": [{"name": "all", "ndcg": 0.1, "recall_of_new": 0.2}]}
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    draw(one, [result("films")], mixed)
    draw(two, [result("films"), result("shop")], None)
    with Image.open(one) as first, Image.open(two) as second:
        assert second.height > 1.5 * first.height and second.width == first.width
