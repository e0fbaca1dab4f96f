"""In which form a home keeps its state: one of a later form is refused before anything is read."""

import importlib.metadata
import json

from pydantic import BaseModel, ValidationError

from crossmodal.atomic import atomic_write_bytes
from crossmodal.paths import StatePaths

FORMAT = 1
"""Of the homes that this release makes; raised when an earlier release could not read them."""

OLDEST = 1
"""The earliest form that a run of this release brings up to date."""


class HomeFormatError(RuntimeError):
    """This release cannot work in a home; the message names it and the way out."""


class _Mark(BaseModel):
    format: int
    release: str


def require_readable_home(paths: StatePaths) -> None:
    """Refuses a home of a form that this release does not know.

    A home without a mark is new, or of a release that made none: those are of the first form.

    Raises:
        HomeFormatError: it is of a later form, of one that is too old, or its mark is damaged or
            another user's.
    """
    file = paths.format
    try:
        mark = _Mark.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise HomeFormatError(
            f"{file} cannot be read ({error.strerror}): let the user of this process read and "
            f"write {paths.home}, or work as the user whom it belongs to."
        ) from error
    except ValidationError as error:
        raise HomeFormatError(
            f"{file} is damaged: delete it, if no later release has worked in {paths.home}."
        ) from error
    if mark.format > FORMAT:
        raise HomeFormatError(
            f"{paths.home} has form {mark.format}, of release {mark.release}, and this release "
            f"reads up to {FORMAT}: install that release or a later one, or restore a backup that "
            "this release has made to another CROSSMODAL_HOME."
        )
    if mark.format < OLDEST:
        raise HomeFormatError(
            f"{paths.home} has form {mark.format}, of release {mark.release}, and this release "
            f"reads {OLDEST} and later: upgrade by way of a release in between, or set "
            "CROSSMODAL_HOME to a new folder and run `crossmodal run`."
        )


def mark_home(paths: StatePaths) -> None:
    """Notes the form of a home that has no mark, which is all that it lacks.

    Raises:
        OSError: it cannot be written.
    """
    if not paths.format.is_file():
        mark = {"format": FORMAT, "release": importlib.metadata.version("crossmodal")}
        atomic_write_bytes(paths.format, json.dumps(mark).encode())
