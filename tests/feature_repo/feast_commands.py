"""Runs some of Feast's commands in one process, because importing Feast takes seconds.

Takes a JSON list of command lines, prints the JSON list of what they printed. Each starts in the
working folder, as `feast` does; the first command that fails ends the run.
"""

import json
import os
import sys
from pathlib import Path

from click.testing import CliRunner
from feast.cli.cli import cli


def run(command: list[str]) -> str:
    folder, path = Path.cwd(), list(sys.path)
    done = CliRunner().invoke(cli, command)
    # What a process leaves to the next: where it went, and the module it read its repo from.
    os.chdir(folder)
    sys.path[:] = path
    sys.modules.pop("definitions", None)
    if done.exit_code:
        sys.exit(f"feast {' '.join(command)}: {done.output}{done.exception!r}")
    return done.output


if __name__ == "__main__":
    print(json.dumps([run(command) for command in json.loads(sys.argv[1])]))
