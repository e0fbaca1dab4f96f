"""What the commands share: settings that are read, a home that is there, and failing in words."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from crossmodal.settings import Settings


def read_settings(**chosen: Any) -> "Settings":
    """The settings in force; an unusable one ends the command with status 2."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from crossmodal.home_format import HomeFormatError, require_readable_home
    from crossmodal.paths import StatePaths
    from crossmodal.settings import RememberedSourceError, load_settings, unread_variables

    if unread := unread_variables():
        typer.echo(
            f"Nothing reads {', '.join(unread)}; `crossmodal settings` lists what is read.",
            err=True,
        )
    try:
        settings = load_settings(**chosen)
        require_readable_home(StatePaths(settings.home))
        return settings
    except (HomeFormatError, RememberedSourceError) as error:
        fail(str(error))
    except ValidationError as error:
        problem = error.errors()[0]
        name = "_".join(str(part) for part in problem["loc"]).upper()
        message = problem["msg"].removeprefix("Value error, ")
        typer.echo(f"Setting CROSSMODAL_{name}: {message}." if name else f"{message}.", err=True)
        raise typer.Exit(2) from error
    except SettingsError as error:
        # Only the message has the name of the field.
        named = re.search('field "(.+?)"', str(error))
        setting = f"Setting CROSSMODAL_{named[1].upper()}" if named else f"A setting ({error})"
        typer.echo(
            f"""{setting}: the list is not written as JSON, such as '["gat"]' or '[]'.""", err=True
        )
        raise typer.Exit(2) from error


def made_home(home: Path) -> None:
    """Makes the home where it is missing, and marks its form.

    It ends the command with 2 where the home cannot be made, with 1 where it cannot be written.
    """
    from crossmodal.home_format import mark_home
    from crossmodal.paths import StatePaths
    from crossmodal.store_errors import StoreError, require_writable, store_errors_of

    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        typer.echo(f"Setting CROSSMODAL_HOME: {home} cannot be made ({error.strerror}).", err=True)
        raise typer.Exit(2) from error
    try:
        require_writable(home)
        with store_errors_of(home, ""):
            mark_home(StatePaths(home))
    except StoreError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Says what failed, and ends the command with 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
