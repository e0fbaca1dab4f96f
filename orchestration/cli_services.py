"""Commands that stay until they are ended, the web UI and the service, and the service's keys."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli_shared import fail, made_home, read_settings

if TYPE_CHECKING:
    from serving.keys import KeyRing


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web page.")] = 3000,
) -> None:
    """Opens Dagster's web UI and its daemon on this state folder, until Ctrl-C or SIGTERM."""
    settings = read_settings()
    from crossmodal.home_lock import HomeBusyError, home_lock
    from crossmodal.paths import StatePaths
    from crossmodal.store_errors import StoreError
    from orchestration.instance import (
        cancel_left_by_ui,
        fail_left_by_killed_ui,
        open_instance,
        readable_records,
    )
    from orchestration.web import end_left_by_killed, port_is_free, serve_ui

    paths = StatePaths(settings.home)
    made_home(settings.home)
    try:
        with home_lock(paths, "ui"), readable_records(paths):
            # They would still listen on the port, and a second daemon would start every run twice.
            end_left_by_killed(paths)
            if not port_is_free(port):
                raise typer.BadParameter(
                    f"port {port} is taken; name another.", param_hint="--port"
                )
            with open_instance(paths) as instance:
                fail_left_by_killed_ui(paths, instance)
            ended = serve_ui(paths, port)
            with open_instance(paths) as instance:
                if ended:
                    fail_left_by_killed_ui(paths, instance)
                else:
                    cancel_left_by_ui(instance)
    except (HomeBusyError, StoreError) as error:
        fail(str(error))
    raise typer.Exit(ended)


def serve(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port. Default: CROSSMODAL_SERVE_PORT.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes. Default: CROSSMODAL_SERVE_WORKERS."),
    ] = None,
) -> None:
    """Answers apps over HTTP until Ctrl-C or SIGTERM: lists, search, features, events."""
    settings = read_settings(serve_port=port, serve_workers=workers)
    from crossmodal.pseudonyms import PseudonymKeyError
    from crossmodal.store_errors import StoreError
    from serving.keys import KeyFileError
    from serving.server import AddressError, ServiceFailedError
    from serving.server import serve as answer

    made_home(settings.home)
    try:
        answer(settings, typer.echo)
    except (
        AddressError,
        KeyFileError,
        PseudonymKeyError,
        ServiceFailedError,
        StoreError,
    ) as error:
        fail(str(error))


keys = typer.Typer(help="Keys of the online service: add, list, revoke.", no_args_is_help=True)


class ScopeChoice(StrEnum):
    """What the holder of a key may do."""

    read = "read"
    events = "events"
    items = "items"
    admin = "admin"


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="What you call it: letters, digits, -.")],
    scope: Annotated[
        list[ScopeChoice], typer.Option(help="What it may do; give it more than once for more.")
    ],
) -> None:
    """Makes a key and prints it, once."""
    from serving.keys import KeyFileError, KeyNameError

    try:
        typer.echo(_key_ring().add(name, [choice.value for choice in scope]))
    except (KeyFileError, KeyNameError) as problem:
        fail(str(problem))


@keys.command("list")
def list_keys() -> None:
    """Lists names, scopes and dates; no key can be read again."""
    from serving.keys import KeyFileError

    try:
        for key in _key_ring().all():
            typer.echo(f"{key.name}  {','.join(key.scopes)}  {key.created_at}")
    except KeyFileError as problem:
        fail(str(problem))


@keys.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(help="What you called it.")]) -> None:
    """Makes a key worthless at once."""
    from serving.keys import KeyFileError, KeyNameError

    try:
        _key_ring().revoke(name)
    except (KeyFileError, KeyNameError) as problem:
        fail(str(problem))
    typer.echo(f"Revoked {name}.")


def _key_ring() -> "KeyRing":
    from crossmodal.paths import StatePaths
    from serving.keys import KeyRing

    return KeyRing(StatePaths(read_settings().home).api_keys)
