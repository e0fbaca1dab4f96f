"""The page of all settings, docs/settings.md, as the settings class has them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from crossmodal.settings import ENV_PREFIX, Settings

_HEAD = """\
# Settings

Settings are environment variables, or lines in a file `.env` in the working folder. Lists are JSON.
`crossmodal doctor` prints the values in force. A warning names each variable `CROSSMODAL_...`
that is not a setting.

`crossmodal settings` prints this page.
"""
_ROOMS = {
    "media_": "Files",
    "serve_": "The online service",
    "unattended": "Running unattended",
    "alert_": "Running unattended",
    "drift_": "Drift",
    "": "Runs",
}


def settings_page() -> str:
    """Markdown: a table per part of the platform, of each setting's variable, default and use."""
    rows: dict[str, list[str]] = {room: [] for room in reversed(_ROOMS.values())}
    for name, field in Settings.model_fields.items():
        prefix = next(prefix for prefix in _ROOMS if name.startswith(prefix))
        use = (field.description or "").replace("|", "\\|")
        variable = f"{ENV_PREFIX}{name}".upper()
        rows[_ROOMS[prefix]].append(f"| `{variable}` | {_default(field)} | {use} |")
    parts = [
        "\n".join([f"## {room}\n", "| variable | default | what for |", "|---|---|---|", *lines])
        for room, lines in rows.items()
    ]
    return "\n\n".join([_HEAD.rstrip(), *parts]) + "\n"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, Path):
        return f"`{value.name}`"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
    return f"{value:g}" if isinstance(value, float) else str(value)
