"""Whether two homes hold the same tables and the same models: what a change of structure must keep.

    python -m benchmarks.same_results HOME OTHER

Run the same source into two homes, with the code before a change and with the code after it, and
with the same `CROSSMODAL_ID_KEY`, since the order of rows goes by pseudonyms. Tables are compared
by their rows, models by what was saved of them. The names of versions, and
what is of one run alone, are left out.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from models.registry import ModelRegistry

_NAMES_OF_VERSIONS = ("version", "judged_by", "candidate", "before", "refit", "run_id")
_OF_ONE_RUN = ("fit_s", "root", "mtime_ns")
"""Columns of how long a fit took, and of where and when files were written."""


def main() -> int:
    """Prints what differs; 1 where anything does."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("other", type=Path)
    chosen = parser.parse_args()
    homes = [StatePaths(home.resolve()) for home in (chosen.home, chosen.other)]
    differ = []
    for what, read in (("table", _tables), ("model", _models)):
        first, second = (read(paths) for paths in homes)
        differ += [f"{what} {name}" for name in sorted(first.keys() ^ second.keys())]
        same = [name for name in first.keys() & second.keys() if first[name] == second[name]]
        differ += [f"{what} {name}" for name in sorted(first.keys() & second.keys() - set(same))]
        print(f"{what}s: {len(same)} of {len(first.keys() | second.keys())} are the same")
    print("\n".join(f"differs: {name}" for name in differ))
    return 1 if differ else 0


def _tables(paths: StatePaths) -> dict[str, str]:
    """A digest of the rows of every table, the months of a partitioned one among them."""
    lake = Lake(paths.lake)
    names = (file.relative_to(paths.lake) for file in paths.lake.rglob("*.parquet"))
    return {str(name): _rows(lake, str(name.with_suffix(""))) for name in names}


def _rows(lake: Lake, table: str) -> str:
    frame = lake.read(table)
    columns = [name for name in frame.columns if name not in (*_NAMES_OF_VERSIONS, *_OF_ONE_RUN)]
    return hashlib.sha256(frame.select(columns).write_ndjson().encode()).hexdigest()


def _models(paths: StatePaths) -> dict[str, str]:
    """The checksum of each fitted model's saved weights, by its name up to the last hyphen."""
    versions = ModelRegistry(paths.models).versions()
    return {version.version.rpartition("-")[0]: version.weights_sha256 for version in versions}


if __name__ == "__main__":
    sys.exit(main())
