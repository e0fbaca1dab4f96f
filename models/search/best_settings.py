"""The best settings that searches found, as committed data."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from crossmodal.atomic import atomic_write_bytes
from models.catalogue import SPACES

_FOLDER = Path(__file__).resolve().parent / "best"


class BestSettingsError(ValueError):
    """A file of best settings is missing, or does not hold what it should."""


class BestSettings(BaseModel):
    """What a search found for one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Mapping[str, Any] = Field(description="By the names of the config's fields.")
    split: str = Field(description="Whose validation events judged.")
    validation: float = Field(ge=0, le=1, description="Validation NDCG@10 of these settings.")
    default_validation: float | None = Field(
        ge=0, le=1, description="The same of the defaults; null where they could not be fitted."
    )
    trials: int = Field(ge=1, description="Trials that were made, the defaults among them.")
    date: date
    command: str = Field(description="What was run to find them.")


_FILE = TypeAdapter(dict[str, BestSettings])


def committed() -> tuple[str, ...]:
    """Names of the data sets whose best settings are committed."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def best_file(named: str) -> Path:
    """The file of best settings that a name of `committed()`, or a path ending in .json, names."""
    return Path(named) if named.endswith(".json") else _FOLDER / f"{named}.json"


def read_best(named: str) -> dict[str, BestSettings]:
    """Best settings by model.

    Args:
        named: a name of `committed()`, or a path ending in .json.

    Raises:
        BestSettingsError: there is no such file, or a model or setting in it is not searched.
    """
    path = best_file(named)
    if not path.is_file():
        raise BestSettingsError(
            f"CROSSMODAL_TUNED names {named}, and there is no such file of best settings; name one "
            f"of {', '.join(committed())}, a path ending in .json, or none."
        )
    return _parsed(path)


def write_best(path: Path, searched: Mapping[str, BestSettings]) -> None:
    """Adds best settings to those that the file holds; those of the same model are replaced.

    Raises:
        BestSettingsError: the file is there and holds something else.
    """
    known = _parsed(path) if path.is_file() else {}
    merged = dict(sorted({**known, **searched}.items()))
    content = {model: best.model_dump(mode="json") for model, best in merged.items()}
    atomic_write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def _parsed(path: Path) -> dict[str, BestSettings]:
    try:
        parsed = _FILE.validate_json(path.read_bytes())
    except ValidationError as error:
        raise BestSettingsError(
            f"{path} does not hold best settings ({error.errors()[0]['msg']}); write it with "
            "`crossmodal search --best`."
        ) from error
    for model, best in parsed.items():
        wrong = SPACES[model].unknown(best.settings) if model in SPACES else [*best.settings]
        if wrong:
            raise BestSettingsError(
                f"{path}: the settings {', '.join(wrong)} of {model} are not searched, or are out "
                "of bounds; search again with `crossmodal search --best`."
            )
    return parsed
