"""What benchmarks share: arguments that name the data, reading it, and the file of the figures."""

import argparse
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from assets.datasets import SplitData
from benchmarks._tokens import Material, Reader
from benchmarks.quality.material import split_data
from benchmarks.quality.results import commit
from benchmarks.quality.tables import machine
from crossmodal.atomic import atomic_write_bytes
from models.splits.names import USER_TEMPORAL
from sources.catalogue import SourceRequest
from sources.factory import open_source
from sources.protocol import Source

_OUT = Path("benchmarks/out")


def parser(doc: str | None, out: str) -> argparse.ArgumentParser:
    """The command line that all benchmarks of models on a data set share.

    Args:
        doc: of the benchmark; its first line is shown.
        out: name of the file of the figures.
    """
    argument_parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    argument_parser.add_argument("data", type=Path, help="folder or zip of a MovieLens set")
    argument_parser.add_argument("--source", default="movielens", choices=("movielens", "tables"))
    argument_parser.add_argument("--home", type=Path, default=_OUT / "home")
    argument_parser.add_argument("--out", type=Path, default=_OUT / out)
    return argument_parser


def numbers(listed: str) -> list[int]:
    """Numbers with commas between them."""
    return [int(number) for number in listed.split(",")]


def read(chosen: argparse.Namespace, seed: int) -> tuple[Source, Material]:
    """The source that the arguments name, and all of it, encoded."""
    source = open_source(chosen.source, SourceRequest(chosen.home / "sources", chosen.data))
    reader = Reader(source, chosen.home / "weights", chosen.home / "features", seed)
    return source, reader.read()


def next_choices(chosen: argparse.Namespace, seed: int) -> SplitData:
    """The split `user-temporal` of the data that the arguments name."""
    source, material = read(chosen, seed)
    return split_data(material, source, USER_TEMPORAL, seed)


def write(out: Path, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Writes figures, and which code made them when and where; returns all of it."""
    made = {**figures, **machine(), "date": date.today().isoformat(), "commit": commit()}
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(out, f"{json.dumps(made, indent=1)}\n".encode())
    print(f"Written to {out}.")
    return made
