"""The commands that start and end the web UI and the online service together."""

from typing import Annotated

import typer

from orchestration.cli_shared import fail, made_home, read_settings


def up(
    foreground: Annotated[
        bool,
        typer.Option(
            "--foreground", help="Stay, as systemd and containers want it; a signal ends all."
        ),
    ] = False,
    ui_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the web UI. Default: 3000.")
    ] = None,
) -> None:
    """Starts the web UI and the service, keeps them alive, and turns schedules and sensors on."""
    settings = read_settings()
    made_home(settings.home)
    from crossmodal.paths import StatePaths
    from orchestration.services.places import ServicesError
    from orchestration.services.up import become_supervisor, bring_up
    from orchestration.services.waiting import has_champion

    try:
        if foreground:
            become_supervisor(settings, ui_port, typer.echo)
        started = bring_up(settings, ui_port, typer.echo)
    except (ServicesError, OSError) as error:
        fail(str(error))
    typer.echo(f"Web UI:          {started.ui}")
    typer.echo(f"Online service:  {started.service}")
    typer.echo(f"Logs:            {StatePaths(settings.home).logs}")
    if not has_champion(StatePaths(settings.home)):
        typer.echo("No model answers yet: run `crossmodal run`; the service takes it by itself.")
    typer.echo("`crossmodal status` says whether all is well; `crossmodal down` ends both.")


def down() -> None:
    """Ends the web UI and the service that `crossmodal up` has started, and waits until then."""
    settings = read_settings()
    from orchestration.services.down import take_down
    from orchestration.services.places import ServicesError

    try:
        ended = take_down(settings, typer.echo)
    except (ServicesError, OSError) as error:
        fail(str(error))
    if ended:
        typer.echo("The web UI and the online service have ended.")
    else:
        typer.echo("Nothing runs that `crossmodal up` has started.")
