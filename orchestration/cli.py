"""The command line `crossmodal`. Heavy packages are imported inside the commands that need them,
so that help answers at once.

Exit codes: 0 done, 1 the work failed, 2 the call was wrong; of a run that a signal ended 128 and
its number, so 130 after Ctrl-C and 143 after SIGTERM.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.beta import accept_beta
from orchestration.cli_backup import backup, restore
from orchestration.cli_champion import champion, promote, rollback
from orchestration.cli_drift import drift
from orchestration.cli_reset import reset
from orchestration.cli_services import keys, serve, ui
from orchestration.cli_shared import fail, made_home, read_settings
from orchestration.cli_status import status
from orchestration.cli_up import down, up
from sources.catalogue import SOURCE_NAMES, SOURCES, source_entry

if TYPE_CHECKING:
    from crossmodal.settings import Settings
    from orchestration.night import Night
    from orchestration.run import RunSummary

app = typer.Typer(
    name="crossmodal",
    help="Cross-modal recommendations: from raw text, pictures and sound to a list with reasons.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


Wait = Annotated[
    bool, typer.Option("--wait", help="Wait while another run works in the home, and say for whom.")
]


class EntityChoice(StrEnum):
    """What a feature key names, or `key` for the key itself."""

    user = "user"
    item = "item"
    key = "key"


@app.command()
def run(
    source: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(SOURCE_NAMES),
            help=f"{'; '.join(f'{entry.name}: {entry.description}' for entry in SOURCES)}. "
            "Default: the one of the last run, else sample.",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(help="Folder, zip or file that the source reads."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="A published MovieLens set to download, such as ml-latest-small."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help='Dagster asset selection, such as "group:embeddings" or "items+".'),
    ] = None,
    nightly: Annotated[
        bool,
        typer.Option(
            "--nightly",
            help="Do what the schedule nightly does: fit the champion's recipe to the new events, "
            "and judge no other model unless that is due.",
        ),
    ] = False,
    wait: Wait = False,
) -> None:
    """Runs the pipeline: whatever is stale is made again, the rest is kept."""
    if nightly and only is not None:
        raise typer.BadParameter("the assets of a night are fixed.", param_hint="--only")
    if path is not None and not path.exists():
        raise typer.BadParameter(f"{path} does not exist.", param_hint="--path")
    if source is None and (path is not None or name is not None):
        raise typer.BadParameter(
            "say which --source the path or name is of.", param_hint="--source"
        )
    if source is not None:
        _require_what_it_takes(source, {"path": path, "name": name})
    settings = read_settings(source=source, source_path=path, source_name=name)
    typer.echo(f"Source: {settings.source}{_of_source(settings)}. State: {settings.home}.")
    night = _planned_night(settings) if nightly else None
    if night is None:
        summary = _run_pipeline(settings, only, wait)
    else:
        summary = _run_pipeline(settings, night.selection, wait, night.tags)
    typer.echo(
        f"Done: {len(summary.made)} assets made, {len(summary.kept)} kept unchanged; "
        f"{summary.encoded:,} encoded, {summary.fitted} fitted."
    )
    if summary.deleted:
        typer.echo(
            f"Deleted {summary.deleted} old versions of models: {summary.freed_bytes:,} bytes "
            "freed."
        )
    for failure in summary.failed_checks:
        typer.echo(failure, err=True)


@app.command()
def evaluate(
    full: Annotated[
        bool,
        typer.Option(
            help="Fit models that train weights on global-temporal too, and hide modalities from "
            "every model that can be masked."
        ),
    ] = False,
    wait: Wait = False,
) -> None:
    """Judges all models on the events that the last run read; stale models are fitted first."""
    settings = read_settings(evaluation="full" if full else None)
    summary = _run_pipeline(settings, "group:training or group:evaluation", wait)
    typer.echo(f"Done: {', '.join(summary.made) or 'nothing was stale'}.")
    for failure in summary.failed_checks:
        typer.echo(failure, err=True)


@app.command()
def check(
    mapping: Annotated[Path, typer.Argument(help="The YAML file that maps your tables.")],
) -> None:
    """Says in seconds how a mapping and its files are understood; nothing is stored."""
    settings = read_settings()
    from sources.protocol import SourceError
    from sources.tables.check import check_mapping

    try:
        reading = check_mapping(
            mapping, earliest=settings.earliest_event, latest=settings.latest_event
        )
    except SourceError as error:
        fail(str(error))
    for line in reading.lines:
        typer.echo(line)
    if not reading.usable:
        fail("No event can be used: of those that the files hold, above, none is left.")
    if reading.rejected > settings.max_reject_share:
        fail(
            f"A run would stop: {reading.rejected:.1%} of the rows looked at cannot be used, and "
            f"CROSSMODAL_MAX_REJECT_SHARE allows {settings.max_reject_share:.1%}. "
            "Correct the files or the mapping, or set a higher share."
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
    wait: Wait = False,
) -> None:
    """Looks for better settings of models, judged by validation events; needs a finished run."""
    if best is not None and best.suffix != ".json":
        raise typer.BadParameter(f"{best} must end in .json.", param_hint="--best")
    settings = read_settings(
        search_models=tuple(name.strip() for name in models.split(",")),
        search_trials=trials,
        search_seconds=seconds,
    )
    from models.search import BestSettingsError, write_best
    from orchestration.search import found_settings, render_found

    _run_pipeline(settings, "key:hyperparameter_search", wait)
    best_settings = found_settings(settings)
    typer.echo(render_found(best_settings))
    try:
        if best is not None:
            write_best(best, best_settings)
    except BestSettingsError as error:
        fail(str(error))


@app.command()
def report(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write one self-contained page to this file.")
    ] = None,
) -> None:
    """Shows what is there: data, media, metrics with intervals, timings, the champion."""
    settings = read_settings()
    from orchestration.report import ReportNotReadyError, collect_report, render_text, write_html

    try:
        collected = collect_report(settings)
        if html is not None:
            write_html(settings, collected, html)
    except ReportNotReadyError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{html} cannot be written ({error.strerror}); name a file such as report.html.")
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
    if not user.strip():
        raise typer.BadParameter("the id is empty.", param_hint="USER")
    settings = read_settings()
    from orchestration.lookup import LookupFailedError, recommendations_of, render_recommendations

    try:
        answer = recommendations_of(settings, user)
    except LookupFailedError as error:
        fail(str(error))
    render_recommendations(answer, k)


@app.command()
def features(
    entity: Annotated[
        EntityChoice, typer.Argument(help="user or item; key for what Feast calls a user.")
    ],
    key: Annotated[str, typer.Argument(help="The id as the source writes it.")],
) -> None:
    """Prints the online features of one user or item as JSON, or a user's key in Feast."""
    if not key.strip():
        raise typer.BadParameter("the id is empty.", param_hint="KEY")
    settings = read_settings()
    from orchestration.lookup import LookupFailedError, feast_key, features_of, render_features

    try:
        if entity is EntityChoice.key:
            typer.echo(feast_key(settings, key))
        else:
            typer.echo(render_features(features_of(settings, entity.value, key)))
    except LookupFailedError as error:
        fail(str(error))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Prints all that a bug report needs; secrets are hidden."""
    settings = read_settings()
    from orchestration.doctor import examine, render

    findings = examine(settings)
    typer.echo(json.dumps(findings, indent=2) if as_json else render(findings))


@app.command()
def settings() -> None:
    """Prints every setting, its default and what it is for, as a page in Markdown."""
    from orchestration.settings_page import settings_page

    typer.echo(settings_page(), nl=False)


app.command()(status)
app.command()(drift)
app.command()(backup)
app.command()(restore)
app.command()(champion)
app.command()(promote)
app.command()(rollback)
app.command()(up)
app.command()(down)
app.command()(ui)
app.command()(serve)
app.command()(reset)
app.add_typer(keys, name="keys")


def _require_what_it_takes(source: str, named: dict[str, object]) -> None:
    """Refuses a call that names less than the source needs, or options that it does not take."""
    entry = source_entry(source)
    if entry is None:
        known = ", ".join(SOURCE_NAMES)
        raise typer.BadParameter(f"{source} is none of {known}.", param_hint="--source")
    options = {f"--{name}" for name, value in named.items() if value is not None}
    takes = [f"--{name}" for name in entry.takes]
    beyond = sorted(options - set(takes))
    if beyond:
        raise typer.BadParameter(f"{source} takes no {' and no '.join(beyond)}.")
    if takes and not options:
        needed = f"{source} needs {' or '.join(takes)}: {entry.description}."
        raise typer.BadParameter(needed, param_hint="--source")


def _of_source(settings: "Settings") -> str:
    entry = source_entry(settings.source)
    named = settings.source_path or settings.source_name
    return f" ({named})" if named is not None and entry is not None and entry.takes else ""


def _planned_night(settings: "Settings") -> "Night":
    """What tonight's run does; says whether it judges all models, and why."""
    made_home(settings.home)
    from crossmodal.store_errors import StoreError
    from orchestration.run import planned_night

    try:
        night = planned_night(settings)
    except StoreError as error:
        fail(str(error))
    typer.echo(f"{night.why} {'Judging all models.' if night.judges else 'Judging none.'}")
    return night


def _run_pipeline(
    settings: "Settings", only: str | None, wait: bool, tags: Mapping[str, str] | None = None
) -> "RunSummary":
    made_home(settings.home)
    _require_known_names(settings)
    from crossmodal.home_lock import HomeBusyError
    from crossmodal.paths import StatePaths
    from crossmodal.store_errors import StoreError, in_words, refused_write
    from orchestration.interrupts import interruptible
    from orchestration.run import (
        RunFailedError,
        RunInterruptedError,
        UnknownSelectionError,
        run_pipeline,
    )

    with interruptible(StatePaths(settings.home)) as interruption:
        try:
            waiting = partial(typer.echo, err=True) if wait else None
            return run_pipeline(settings, only, waiting, tags)
        except UnknownSelectionError as error:
            raise typer.BadParameter(str(error), param_hint="--only") from error
        except (RunFailedError, HomeBusyError, StoreError) as error:
            fail(str(error))
        except OSError as error:
            refused = error if isinstance(error, PermissionError) else refused_write(error)
            if refused is None:
                raise
            fail(in_words(refused, settings.home))
        except (RunInterruptedError, KeyboardInterrupt) as error:
            typer.echo(str(error) or "Interrupted.", err=True)
            raise typer.Exit(interruption.exit_code) from error


def _require_known_names(settings: "Settings") -> None:
    """Looks at what settings say of source and models before hours of work, not after them."""
    from assets.recipes import require_known_models
    from models.catalogue import UnknownModelError
    from models.search import BestSettingsError, read_best
    from sources.factory import require_known_source
    from sources.protocol import SourceError

    try:
        require_known_models(settings)
        require_known_source(settings.source)
        if settings.tuned != "none":
            read_best(settings.tuned)
    except (BestSettingsError, UnknownModelError, SourceError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def main() -> None:
    """Entry point of the `crossmodal` command."""
    accept_beta()
    app()


if __name__ == "__main__":
    main()
