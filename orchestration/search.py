"""What the last search found, as settings that can be committed."""

from collections.abc import Mapping
from datetime import UTC, datetime

from assets.search import TRIALS_TABLE
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.search import BestSettings


def found_settings(settings: Settings) -> dict[str, BestSettings]:
    """The best settings by model; a model none of whose trials was complete is left out.

    Raises:
        TableMissingError: no search was run.
    """
    best = Workspace(settings).lake.version(TRIALS_TABLE).summary["best"]
    run = {"date": datetime.now(UTC).date(), "command": search_command(settings)}
    return {model: BestSettings(**figures, **run) for model, figures in best.items()}


def search_command(settings: Settings) -> str:
    """The call that searches like these settings."""
    return (
        f"crossmodal search --models {','.join(settings.search_models)} "
        f"--trials {settings.search_trials} --seconds {settings.search_seconds:g}"
    )


def render_found(best_settings: Mapping[str, BestSettings]) -> str:
    """One line per model: its validation figure, that of the defaults, and the settings."""
    lines = []
    for model, best in best_settings.items():
        before = best.default_validation
        compared = "" if before is None else f", defaults {before:.4f}"
        named = ", ".join(f"{name} {value}" for name, value in best.settings.items())
        lines.append(
            f"{model}: validation NDCG@10 {best.validation:.4f}{compared}, {best.trials} trials, "
            f"{best.split}\n  {named}"
        )
    return "\n".join(lines) or "No trial was complete; no settings were found."
