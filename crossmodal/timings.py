"""How long each asset of a home last took to make: a kept one costs nothing and says nothing."""

import json
import math
from pathlib import Path

from crossmodal.atomic import atomic_write_bytes
from crossmodal.json_notes import read_note


def recorded_seconds(file: Path) -> dict[str, float]:
    """Seconds by asset; those that are no length of time are left out.

    Empty in a home that has made none, or whose file is damaged.
    """
    return {asset: noted for asset, noted in read_note(file).items() if _is_length(noted)}


def record_seconds(file: Path, asset: str, seconds: float) -> None:
    """Notes how long an asset took."""
    known = recorded_seconds(file) | {asset: round(seconds, 2)}
    atomic_write_bytes(file, json.dumps(known, indent=2).encode())


def _is_length(noted: object) -> bool:
    return isinstance(noted, int | float) and math.isfinite(noted) and noted >= 0
