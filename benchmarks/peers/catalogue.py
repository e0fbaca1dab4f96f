"""The peers by their names: what builds them, what they are tuned over, what they need."""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .tuning import Budget, Build, Settings

_TABLE = Path(__file__).with_name("grids.json")


@dataclass(frozen=True)
class PeerEntry:
    """One row of `grids.json`.

    Attributes:
        name: as the tables call it.
        build: library and model, as in `cornac.BPR`.
        splits: where it takes part.
        grid: the settings it is tuned over, the likeliest first.
        budget: of the tuning.
        needs: packages beside the library; without them the peer is skipped.
    """

    name: str
    build: str
    splits: tuple[str, ...]
    grid: tuple[Settings, ...]
    budget: Budget
    needs: tuple[str, ...]

    def missing(self) -> list[str]:
        """Packages that this environment lacks."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def builder(self) -> Build:
        """What makes an unfitted model of settings and a seed."""
        library, _, model = self.build.partition(".")
        if library == "cornac":
            from . import cornac_peers

            return partial(cornac_peers.build, model)
        from . import implicit_peers

        builder: Build = getattr(implicit_peers, model)
        return builder


def entries() -> dict[str, PeerEntry]:
    """All peers of the table in its order."""
    table = json.loads(_TABLE.read_text("utf-8"))
    return {row["name"]: _entry(row, table["budget"]) for row in table["peers"]}


def _entry(row: Mapping[str, Any], common: Mapping[str, Any]) -> PeerEntry:
    budget = Budget(**{key: row.get(key, value) for key, value in common.items()})
    return PeerEntry(
        row["name"],
        row["build"],
        tuple(row["splits"]),
        tuple(row["grid"]),
        budget,
        tuple(row.get("needs", ())),
    )
