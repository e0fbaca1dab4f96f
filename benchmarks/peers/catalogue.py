"""The peers by their names: what builds them, what they are tuned over, what they need."""

import importlib
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
        environment: the name of the one that its library is installed in.
        needs: packages in addition to the library; without them the peer is skipped.
    """

    name: str
    build: str
    splits: tuple[str, ...]
    grid: tuple[Settings, ...]
    budget: Budget
    environment: str
    needs: tuple[str, ...]

    @property
    def library(self) -> str:
        """The package that the model is of."""
        return self.build.partition(".")[0]

    def missing(self) -> list[str]:
        """Packages that this environment lacks."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def builder(self) -> Build:
        """What makes an unfitted model of settings and a seed."""
        model = self.build.partition(".")[2]
        # Each library is only where its own environment is.
        module = importlib.import_module(f".{self.library}_peers", __package__)
        return partial(module.build, model)


def entries() -> dict[str, PeerEntry]:
    """All peers of the table in its order."""
    table = json.loads(_TABLE.read_text("utf-8"))
    return {row["name"]: _entry(row, table) for row in table["peers"]}


def _entry(row: Mapping[str, Any], table: Mapping[str, Any]) -> PeerEntry:
    budget = Budget(**{key: row.get(key, value) for key, value in table["budget"].items()})
    return PeerEntry(
        row["name"],
        row["build"],
        tuple(row["splits"]),
        tuple(row["grid"]),
        budget,
        table["environments"][row["build"].partition(".")[0]],
        tuple(row.get("needs", ())),
    )
