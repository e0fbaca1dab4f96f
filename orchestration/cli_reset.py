"""The command that deletes a home."""

import shutil
from contextlib import ExitStack
from typing import Annotated

import typer

from orchestration.cli_shared import fail, read_settings


def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Deletes the state folder: a factory reset."""
    home = read_settings().home
    if not home.exists():
        typer.echo(f"Nothing to delete: {home} does not exist.")
        return
    marks = ("format.json", "lake", "dagster", "serving", "source.json", "run.lock", "id.key")
    if not any((home / mark).exists() for mark in marks):
        fail(f"{home} does not look like a state folder of this project; delete it by hand.")
    from crossmodal.paths import StatePaths
    from orchestration.services.up import running

    if running(StatePaths(home)) is not None:
        fail(f"The web UI and the service work in {home}; end them with `crossmodal down` first.")
    if not yes:
        typer.confirm(f"Delete {home} and everything in it?", abort=True)
    from crossmodal.home_lock import HomeBusyError, home_lock

    try:
        with ExitStack() as locks:
            for work in ("run", "ui", "backup"):
                locks.enter_context(home_lock(StatePaths(home), work))
    except HomeBusyError as error:
        fail(str(error))
    shutil.rmtree(home)
    typer.echo(f"Deleted {home}.")
