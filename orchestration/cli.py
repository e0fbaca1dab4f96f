"""The command line `crossmodal`. Heavy packages are imported inside the commands that need them,
so that help answers at once.

Exit codes: 0 done, 1 the work failed, 2 the call was wrong.
"""

import json
import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from orchestration.beta import accept_beta

if TYPE_CHECKING:
    from crossmodal.settings import Settings
    from orchestration.run import RunSummary
    from serving.keys import KeyRing

app = typer.Typer(
    name="crossmodal",
    help="Cross-modal recommendations: from raw text, pictures and sound to a list with reasons.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class SourceChoice(StrEnum):
    """Where interactions and media come from."""

    sample = "sample"
    movielens = "movielens"
    tables = "tables"


class EntityChoice(StrEnum):
    """What a feature key names, or `key` for the key itself."""

    user = "user"
    item = "item"
    key = "key"


@app.command()
def run(
    source: Annotated[
        SourceChoice | None,
        typer.Option(
            help="sample (generated here, no network), movielens (a folder or zip of GroupLens) or "
            "tables (your own Parquet or CSV). Default: the one of the last run, else sample."
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(help="MovieLens folder or zip, or the YAML file that maps your tables."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="A published MovieLens set to download, such as ml-latest-small."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help='Dagster asset selection, such as "group:embeddings" or "items+".'),
    ] = None,
) -> None:
    """Runs the pipeline: whatever is stale is made anew, the rest is kept."""
    if path is not None and not path.exists():
        raise typer.BadParameter(f"{path} does not exist.", param_hint="--path")
    if source is None and (path is not None or name is not None):
        raise typer.BadParameter(
            "say which --source the path or name is of.", param_hint="--source"
        )
    if source is SourceChoice.sample and (path is not None or name is not None):
        raise typer.BadParameter("the sample is generated: it takes no --path and no --name.")
    if source is SourceChoice.tables and path is None:
        raise typer.BadParameter("a tables source needs its mapping.", param_hint="--path")
    if source is SourceChoice.movielens and path is None and name is None:
        raise typer.BadParameter("movielens needs --path or --name.", param_hint="--source")
    settings = _settings(source=source and source.value, source_path=path, source_name=name)
    typer.echo(f"Source: {settings.source}{_of_source(settings)}. State: {settings.home}.")
    summary = _run_pipeline(settings, only)
    typer.echo(
        f"Done: {len(summary.made)} assets made, {len(summary.kept)} kept unchanged; "
        f"{summary.encoded:,} encoded, {summary.fitted} fitted."
    )
    for found in summary.failed_checks:
        typer.echo(found, err=True)


@app.command()
def check(
    mapping: Annotated[Path, typer.Argument(help="The YAML file that maps your tables.")],
) -> None:
    """Says in seconds how a mapping and its files are understood; nothing is stored."""
    settings = _settings()
    from sources.protocol import SourceError
    from sources.tables.check import check_mapping

    try:
        found = check_mapping(
            mapping, earliest=settings.earliest_event, latest=settings.latest_event
        )
    except SourceError as error:
        _fail(str(error))
    for line in found.lines:
        typer.echo(line)
    if not found.usable:
        _fail("No event can be used; see above.")
    if found.rejected > settings.max_reject_share:
        _fail(
            f"A run would stop: {found.rejected:.1%} of the rows looked at cannot be used, and "
            f"CROSSMODAL_MAX_REJECT_SHARE allows {settings.max_reject_share:.1%}."
        )


@app.command()
def search(
    models: Annotated[
        str, typer.Option(help="Whose settings are searched, such as ease,transition.")
    ],
    trials: Annotated[int | None, typer.Option(min=1, help="Most trials of a model.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Time after which no trial of a model begins.")
    ] = None,
    best: Annotated[
        Path | None,
        typer.Option(help="Write the best settings to this .json file, for CROSSMODAL_TUNED."),
    ] = None,
) -> None:
    """Looks for better settings of models, judged by validation events; needs a finished run."""
    if best is not None and best.suffix != ".json":
        raise typer.BadParameter(f"{best} must end in .json.", param_hint="--best")
    settings = _settings(
        search_models=tuple(name.strip() for name in models.split(",")),
        search_trials=trials,
        search_seconds=seconds,
    )
    from models.search import BestSettingsError, write_best
    from orchestration.search import found_settings, render_found

    _run_pipeline(settings, "key:hyperparameter_search")
    found = found_settings(settings)
    typer.echo(render_found(found))
    try:
        if best is not None:
            write_best(best, found)
    except BestSettingsError as error:
        _fail(str(error))


@app.command()
def report(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write one self-contained page to this file.")
    ] = None,
) -> None:
    """Shows what is there: data, media, metrics with intervals, timings, the champion."""
    settings = _settings()
    from orchestration.report import ReportNotReadyError, collect_report, render_text, write_html

    try:
        collected = collect_report(settings)
        if html is not None:
            write_html(settings, collected, html)
    except ReportNotReadyError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{html} cannot be written ({error.strerror}); name a file such as report.html.")
    if as_json:
        typer.echo(json.dumps(collected, indent=2))
    elif html is None:
        render_text(collected)
    else:
        typer.echo(f"Wrote {html}.")


@app.command()
def recommend(
    user: Annotated[str, typer.Argument(help="The user's id as the source writes it.")],
    k: Annotated[int, typer.Option(min=1, max=200, help="How many items.")] = 10,
) -> None:
    """Looks up a user's recommendations in the online store."""
    settings = _settings()
    from orchestration.lookup import LookupFailedError, recommendations_of, render_recommendations

    try:
        found = recommendations_of(settings, user)
    except LookupFailedError as error:
        _fail(str(error))
    render_recommendations(found, k)


@app.command()
def features(
    entity: Annotated[
        EntityChoice, typer.Argument(help="user or item; key for what Feast calls a user.")
    ],
    key: Annotated[str, typer.Argument(help="The id as the source writes it.")],
) -> None:
    """Prints the online features of one user or item as JSON, or a user's key in Feast."""
    settings = _settings()
    from orchestration.lookup import LookupFailedError, feast_key, features_of, render_features

    try:
        if entity is EntityChoice.key:
            typer.echo(feast_key(settings, key))
        else:
            typer.echo(render_features(features_of(settings, entity.value, key)))
    except LookupFailedError as error:
        _fail(str(error))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Prints all that a bug report needs; secrets are hidden."""
    settings = _settings()
    from orchestration.doctor import examine, render

    findings = examine(settings)
    typer.echo(json.dumps(findings, indent=2) if as_json else render(findings))


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Deletes the state folder: a factory reset."""
    home = _settings().home
    if not home.exists():
        typer.echo(f"Nothing to delete: {home} does not exist.")
        return
    marks = ("lake", "dagster", "source.json", "run.lock")
    if not any((home / mark).exists() for mark in marks):
        _fail(f"{home} does not look like a state folder of this project; delete it by hand.")
    if not yes:
        typer.confirm(f"Delete {home} and everything in it?", abort=True)
    from crossmodal.home_lock import HomeBusyError, home_lock
    from crossmodal.paths import StatePaths

    try:
        with home_lock(StatePaths(home)), home_lock(StatePaths(home), "ui"):
            pass
    except HomeBusyError as error:
        _fail(str(error))
    shutil.rmtree(home)
    typer.echo(f"Deleted {home}.")


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web page.")] = 3000,
) -> None:
    """Opens Dagster's web UI and its daemon on this state folder, until Ctrl-C."""
    settings = _settings()
    from crossmodal.home_lock import HomeBusyError, home_lock
    from crossmodal.paths import StatePaths
    from orchestration.instance import open_instance
    from orchestration.web import port_is_free, serve_ui

    paths = StatePaths(settings.home)
    _make_home(settings.home)
    if not port_is_free(port):
        raise typer.BadParameter(f"port {port} is taken; name another.", param_hint="--port")
    open_instance(paths).dispose()
    try:
        with home_lock(paths, "ui"):
            ended = serve_ui(paths, port)
    except HomeBusyError as error:
        _fail(str(error))
    raise typer.Exit(ended)


@app.command()
def serve(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port. Default: CROSSMODAL_SERVE_PORT.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes. Default: CROSSMODAL_SERVE_WORKERS."),
    ] = None,
) -> None:
    """Answers apps over HTTP until Ctrl-C: recommendations, search, features, events."""
    settings = _settings(serve_port=port, serve_workers=workers)
    from crossmodal.pseudonyms import PseudonymKeyError
    from serving.keys import KeyFileError
    from serving.server import AddressError, serve

    _make_home(settings.home)
    try:
        serve(settings, typer.echo)
    except (AddressError, KeyFileError, PseudonymKeyError) as error:
        _fail(str(error))


keys = typer.Typer(help="Keys of the online service: add, list, revoke.", no_args_is_help=True)
app.add_typer(keys, name="keys")


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
        typer.echo(_key_ring().add(name, [one.value for one in scope]))
    except (KeyFileError, KeyNameError) as problem:
        _fail(str(problem))


@keys.command("list")
def list_keys() -> None:
    """Lists names, scopes and dates; no key can be read again."""
    from serving.keys import KeyFileError

    try:
        for key in _key_ring().all():
            typer.echo(f"{key.name}  {','.join(key.scopes)}  {key.created_at}")
    except KeyFileError as problem:
        _fail(str(problem))


@keys.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(help="What you called it.")]) -> None:
    """Makes a key worthless at once."""
    from serving.keys import KeyFileError, KeyNameError

    try:
        _key_ring().revoke(name)
    except (KeyFileError, KeyNameError) as problem:
        _fail(str(problem))
    typer.echo(f"Revoked {name}.")


def _key_ring() -> "KeyRing":
    from crossmodal.paths import StatePaths
    from serving.keys import KeyRing

    return KeyRing(StatePaths(_settings().home).api_keys)


def _settings(**chosen: Any) -> "Settings":
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from crossmodal.settings import load_settings

    try:
        return load_settings(**chosen)
    except ValidationError as error:
        problem = error.errors()[0]
        name = "_".join(str(part) for part in problem["loc"]).upper()
        typer.echo(f"Setting CROSSMODAL_{name}: {problem['msg']}.", err=True)
        raise typer.Exit(2) from error
    except SettingsError as error:
        typer.echo(
            f"A setting cannot be read ({error}); a list is written as JSON, such as "
            """CROSSMODAL_EXTRA_MODELS='["gat"]'.""",
            err=True,
        )
        raise typer.Exit(2) from error


def _of_source(settings: "Settings") -> str:
    named = settings.source_path or settings.source_name
    return "" if named is None or settings.source == "sample" else f" ({named})"


def _run_pipeline(settings: "Settings", only: str | None) -> "RunSummary":
    _make_home(settings.home)
    _require_models(settings)
    from crossmodal.home_lock import HomeBusyError
    from orchestration.run import (
        RunFailedError,
        RunInterruptedError,
        UnknownSelectionError,
        run_pipeline,
    )

    try:
        return run_pipeline(settings, only)
    except UnknownSelectionError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error
    except (RunFailedError, HomeBusyError) as error:
        _fail(str(error))
    except RunInterruptedError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(130) from error


def _require_models(settings: "Settings") -> None:
    """Looks at what settings say of models before hours of work, not after them."""
    from assets.recipes import require_known_models
    from models.catalogue import UnknownModelError
    from models.search import BestSettingsError, read_best

    try:
        require_known_models(settings)
        if settings.tuned != "none":
            read_best(settings.tuned)
    except (BestSettingsError, UnknownModelError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        typer.echo(f"Setting CROSSMODAL_HOME: {home} cannot be made ({error.strerror}).", err=True)
        raise typer.Exit(2) from error


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def main() -> None:
    """Entry point of the `crossmodal` command."""
    accept_beta()
    app()


if __name__ == "__main__":
    main()
