"""The page of figures: what the run found, and what people wrote around it."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.page import BEGIN, END, PageError, marked_page, write_page


def row(model: str, value: float, **other: Any) -> dict[str, Any]:
    told = {
        "model": model,
        "kind": "ours",
        "split": "user-temporal",
        "seed": 42,
        "segment": "all",
        "metric": "ndcg",
        "k": 10,
        "value": value,
        "ci_low": value - 0.01,
        "ci_high": value + 0.01,
    }
    return told | other


def result() -> dict[str, Any]:
    models = [
        {
            "model": name,
            "split": "user-temporal",
            "seed": 42,
            "validation": 0.3,
            "fit_s": 1.25,
            "predict_s": 0.5,
        }
        for name in ("weak", "strong")
    ]
    compared = {
        "split": "user-temporal",
        "seed": 42,
        "model": "strong",
        "other": "weak",
        "difference": 0.1,
        "ci_low": 0.05,
        "ci_high": 0.15,
        "p_holm": 0.002,
        "ratio": 2.0,
        "ratio_low": 1.5,
        "ratio_high": 2.5,
    }
    return {
        "data": "films",
        "commit": "abc",
        "cpus": 2,
        "seed": 42,
        "rows": [
            row("weak", 0.1),
            row("strong", 0.2),
            row("weak", 0.7, metric="recall"),
            row("strong", 0.8, metric="recall"),
            row("strong", 0.99, segment="recency-day"),
            row("weak", 0.11, seed=43),
            row("strong", 0.21, seed=43),
        ],
        "models": models,
        "comparisons": [compared | {"segment": "all"}, compared | {"segment": "recency-day"}],
        "skipped": [{"model": "absent", "split": "user-temporal", "reason": "needs more"}],
    }


def test_the_tables_replace_what_was_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Ours\n\n{BEGIN}\nold\n{END}\n\nWhat we lose.\n")
    write_page(page, result(), "make bench", "2026-01-02")
    text = page.read_text()
    assert text.startswith("# Ours") and text.endswith("What we lose.\n") and "old" not in text
    assert "    make bench" in text and "2026-01-02" in text
    lines = text.splitlines()
    strong = next(place for place, line in enumerate(lines) if line.startswith("| strong | ours"))
    assert lines[strong].split(" | ")[2:4] == ["0.2000 [0.1900, 0.2100]", "0.800"]
    assert lines[strong + 1].startswith("| weak | ours | 0.1000")
    assert (
        "| weak | 0.1000 [0.0500, 0.1500] | 0.0020 | 2.00 [1.50, 2.50] | 2.00 [1.50, 2.50] |"
        in (lines)
    )
    assert "| strong | 0.2000 | 0.2100 |" in lines
    assert "| absent | user-temporal | needs more |" in lines
    write_page(page, result(), "make bench", "2026-01-02")
    assert page.read_text() == text


def test_a_page_without_its_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Ours\n")
    with pytest.raises(PageError, match=r"page\.md"):
        write_page(page, result(), "make bench", "2026-01-02")
    assert page.read_text() == "# Ours\n"


def test_a_page_is_looked_at_before_hours_of_work(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="no file"):
        marked_page(tmp_path / "nowhere.md")
