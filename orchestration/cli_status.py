"""The command that says whether all is well, and what to do if not."""

import json
from typing import Annotated

import typer

from orchestration.cli_shared import read_settings


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Says whether all is well, first of all what to do; 1 if something must be done."""
    settings = read_settings()
    from crossmodal.workspace import Workspace
    from orchestration.health.gather import health_of
    from orchestration.health.page import as_text, for_programs

    health = health_of(Workspace(settings))
    typer.echo(json.dumps(for_programs(health), indent=2) if as_json else as_text(health))
    raise typer.Exit(0 if health.well else 1)
