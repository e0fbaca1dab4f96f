"""The command that says whether all is well, and what to do if not."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli_shared import fail, read_settings

if TYPE_CHECKING:
    from crossmodal.workspace import Workspace


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    test_alert: Annotated[
        bool, typer.Option("--test-alert", help="Post a test to the webhook of alerts instead.")
    ] = False,
) -> None:
    """Says whether all is well, first of all what to do; 1 if something does not work."""
    settings = read_settings()
    from crossmodal.workspace import Workspace

    if test_alert:
        _post_test(Workspace(settings))
        return
    from orchestration.health.gather import health_of
    from orchestration.health.page import as_text, for_programs

    health = health_of(Workspace(settings))
    typer.echo(json.dumps(for_programs(health), indent=2) if as_json else as_text(health))
    raise typer.Exit(0 if health.well else 1)


def _post_test(workspace: "Workspace") -> None:
    from orchestration.health.alerts import NoWebhookError, post_test

    try:
        taken = post_test(workspace)
    except NoWebhookError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if not taken:
        fail("The webhook did not take the test alert; the line above says why.")
    typer.echo("The webhook took the test alert.")
