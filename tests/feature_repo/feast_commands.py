"""Runs some of Feast's commands in one process, because importing Feast takes seconds.

Takes a JSON list of command lines, prints the JSON list of what they printed. The working folder
is the repo, as it is for `feast`; the first command that fails ends the run.
"""

import json
import sys

from click.testing import CliRunner
from feast.cli.cli import cli


def run(command: list[str]) -> str:
    done = CliRunner().invoke(cli, command)
    if done.exit_code:
        sys.exit(f"feast {' '.join(command)}: {done.output}{done.exception!r}")
    return done.output


if __name__ == "__main__":
    print(json.dumps([run(command) for command in json.loads(sys.argv[1])]))
