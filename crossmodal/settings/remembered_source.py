"""The source that a home was last made from, which later commands take by default."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from crossmodal.atomic import atomic_write_bytes
from crossmodal.paths import StatePaths
from crossmodal.settings.settings import Settings


class RememberedSource(BaseModel):
    """The source that the state in a home was last made from; its path as `StatePaths.kept`."""

    source: str
    source_path: Path | None = None
    source_name: str | None = None


class RememberedSourceError(RuntimeError):
    """The file of a home that names its source cannot be read; the message says the way out."""


def load_settings(**chosen: Any) -> Settings:
    """The settings in force; `chosen` values that are not None override all others.

    If neither the caller nor the environment names a source, it is the one from which the home was
    last made, so that the web UI, the schedule and the command line agree on it.

    Raises:
        RememberedSourceError: what the home was made from is damaged, or another user's.
        ValidationError: a value cannot be used.
    """
    overrides = {name: value for name, value in chosen.items() if value is not None}
    settings = Settings(**overrides)
    remembered = _source_file(settings)
    if settings.model_fields_set & set(RememberedSource.model_fields):
        return settings
    try:
        source = RememberedSource.model_validate_json(remembered.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return settings
    except PermissionError as error:
        raise RememberedSourceError(
            f"{remembered} cannot be read ({error.strerror}): let the user of this process read "
            f"and write {settings.home}, or work as the user whom it belongs to."
        ) from error
    except (OSError, ValidationError) as error:
        raise RememberedSourceError(
            f"{remembered} cannot be read: delete it, and name the source of the next run by "
            "--source."
        ) from error
    known = source.model_dump(exclude_none=True)
    if source.source_path is not None:
        known["source_path"] = StatePaths(settings.home).located(str(source.source_path))
    return Settings(**overrides, **known)


def remember_source(settings: Settings) -> None:
    """Makes this source the one that later commands and the web UI take by default."""
    chosen = settings.model_dump()
    if settings.source_path is not None:
        # A home that is moved or copied reads the files that came along with it.
        chosen["source_path"] = StatePaths(settings.home).kept(settings.source_path)
    source = RememberedSource.model_validate(chosen)
    atomic_write_bytes(_source_file(settings), source.model_dump_json(indent=2).encode())


def _source_file(settings: Settings) -> Path:
    return settings.home / "source.json"
