"""Small JSON files of figures that runs find again by themselves: one that is damaged is empty."""

import json
import logging
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)


def read_note(path: Path) -> dict[str, Any]:
    """What a file says; nothing where it is missing or damaged, which is logged.

    Args:
        path: of a file that holds a JSON object and that a run fills again.

    Raises:
        OSError: the system does not let it be read.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
    except ValueError as error:
        _log.warning("%s is damaged (%s); runs fill it again.", path, error)
        return {}
    return content
