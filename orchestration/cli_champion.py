"""Commands that show and change the champion: which version answers, and why."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli_shared import fail, read_settings

if TYPE_CHECKING:
    from models.champion_history import Promotion

_Reason = Annotated[str, typer.Option(help="Why, in a few words; kept in the history.")]


def champion(
    history: Annotated[
        bool, typer.Option("--history", help="All changes so far, the newest first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Shows which version answers, since when, why, and which can be returned to."""
    settings = read_settings()
    from orchestration import champions

    try:
        if history:
            entries = champions.history(settings)
            lines = champions.render_history(entries)
            content: object = [champions.entry_as_json(entry) for entry in reversed(entries)]
        else:
            shown = champions.status(settings)
            lines, content = champions.render(shown), shown.as_json()
    except champions.ChampionError as error:
        fail(str(error))
    typer.echo(json.dumps(content, indent=2) if as_json else "\n".join(lines))


def promote(
    version: Annotated[str, typer.Argument(help="A version of the home's models.")],
    reason: _Reason,
) -> None:
    """Makes a version the champion by hand; it stays until a newer one passes the gate."""
    said = _said(reason)
    settings = read_settings()
    from orchestration import champions

    try:
        before, made = champions.promote(settings, version, said)
    except champions.ChampionError as error:
        fail(str(error))
    _echo_change(before, made)


def rollback(
    reason: _Reason,
    to: Annotated[
        str | None, typer.Option(help="An earlier champion. Default: the one before this one.")
    ] = None,
) -> None:
    """Returns to the former champion by hand; it stays until a newer one passes the gate."""
    said = _said(reason)
    settings = read_settings()
    from orchestration import champions

    try:
        before, made = champions.roll_back(settings, said, to)
    except champions.ChampionError as error:
        fail(str(error))
    _echo_change(before, made)


def _said(reason: str) -> str:
    """The reason on one line, as the history prints it."""
    said = " ".join(reason.split())
    if not said:
        raise typer.BadParameter("say why.", param_hint="--reason")
    return said


def _echo_change(before: str, made: "Promotion") -> None:
    typer.echo(
        f"{made.version} is champion in place of {before}. Running services answer by it within "
        "seconds; it stays until a version made since then passes the gate. The lists in the "
        "online store stay as they are until the next `crossmodal run`."
    )
