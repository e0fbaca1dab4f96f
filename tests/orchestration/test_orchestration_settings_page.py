"""docs/settings.md is what the settings class says."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmodal.settings import Settings
from orchestration.cli import app
from orchestration.settings_page import settings_page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    assert settings_page() == PAGE.read_text(), "Run `crossmodal settings > docs/settings.md`."


def test_every_setting_is_in_it_with_its_use() -> None:
    page = settings_page()
    for name, field in Settings.model_fields.items():
        assert f"| `CROSSMODAL_{name.upper()}` | " in page
        assert field.description, name


def test_the_command_prints_it_and_a_typing_error_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CliRunner().invoke(app, ["settings"]).stdout == settings_page()
    monkeypatch.setenv("CROSSMODAL_HOME", str(tmp_path))
    monkeypatch.setenv("CROSSMODAL_SEEDS", "7")
    said = CliRunner().invoke(app, ["report"]).stderr
    assert said.count("Nothing reads CROSSMODAL_SEEDS") == 1
