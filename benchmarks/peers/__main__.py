"""One peer on one task: reads the task's archive, tunes, answers, writes the answer's archive.

python -m peers PEER TASK.npz ANSWER.npz [--configurations N] [--seconds M] [--settings JSON]
"""

import argparse
import json
import sys
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from .catalogue import entries
from .exchange import Answer, read_task, write_answer
from .tuning import answer

MISSING_PACKAGE = 3
"""Exit status where a peer needs what the environment lacks; the line on stderr says what."""


def main() -> int:
    """Runs one peer from the command line."""
    chosen = _parsed()
    entry = entries()[chosen.peer]
    missing = entry.missing()
    if missing:
        print(f"needs {', '.join(missing)}, which this environment lacks", file=sys.stderr)
        return MISSING_PACKAGE
    limits = {"configurations": chosen.configurations, "seconds": chosen.seconds}
    overrides = {key: value for key, value in limits.items() if value is not None}
    budget = replace(entry.budget, **overrides)
    grid = (json.loads(chosen.settings),) if chosen.settings else entry.grid
    # The libraries warn of their own deprecations at every call.
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    result = answer(entry.builder(), grid, read_task(chosen.task), budget)
    facts = {**result.facts, "library": f"{entry.library} {version(entry.library)}"}
    write_answer(chosen.answer, Answer(result.lists, result.predictions, facts))
    return 0


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("task", type=Path)
    parser.add_argument("answer", type=Path)
    parser.add_argument("--configurations", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--settings", help="these settings and no tuning, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
