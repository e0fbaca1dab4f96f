"""What benchmarks share: how they are asked, and what stands beside their figures."""

import json
from pathlib import Path

import pytest

from benchmarks import _runs


def test_figures_name_the_code_the_machine_and_the_day(tmp_path: Path) -> None:
    out = tmp_path / "new" / "figures.json"
    told = _runs.write(out, {"data": "ml", "rows": [{"value": 0.5}]})
    assert json.loads(out.read_text()) == told
    assert told["data"] == "ml" and told["rows"] == [{"value": 0.5}]
    assert {"commit", "date", "machine", "cpus", "python"} <= told.keys()
    assert [path.name for path in out.parent.iterdir()] == ["figures.json"]


def test_every_benchmark_is_asked_for_its_data_alike(capsys: pytest.CaptureFixture[str]) -> None:
    parser = _runs.parser("What it shows.\n\nAnd how.", "shown.json")
    chosen = parser.parse_args(["ml-latest-small"])
    assert chosen.data == Path("ml-latest-small") and chosen.source == "movielens"
    assert chosen.out.name == "shown.json" and chosen.home.name == "home"
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    told = capsys.readouterr().out
    assert "What it shows." in told and "And how" not in told
    assert _runs.numbers("42,43") == [42, 43]
