"""How long each table of a home last took to make: a kept table costs nothing and says nothing."""

import json
from pathlib import Path

from crossmodal.atomic import atomic_write_bytes
from crossmodal.json_notes import read_note


def recorded_seconds(file: Path) -> dict[str, float]:
    """Seconds by table; empty in a home that has made none, or whose file is damaged."""
    return read_note(file)


def record_seconds(file: Path, table: str, seconds: float) -> None:
    """Notes how long a table took."""
    known = recorded_seconds(file) | {table: round(seconds, 2)}
    atomic_write_bytes(file, json.dumps(known, indent=2).encode())
