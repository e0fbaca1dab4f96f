"""The command that shows how far newer events are from older ones."""

from typing import Annotated

import typer

from orchestration.cli_shared import fail, read_settings


def drift(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Shows how far newer events, features, embeddings and answers are from older ones."""
    settings = read_settings()
    import polars as pl

    from assets.drift_table import DRIFT, newest_run, said
    from crossmodal.lake import TableDamagedError
    from crossmodal.workspace import Workspace

    lake = Workspace(settings).lake
    if not lake.exists(DRIFT):
        fail(f"No run has measured drift in {settings.home} yet: run `crossmodal run`.")
    try:
        rows = newest_run(lake.read(DRIFT))
    except TableDamagedError as error:
        fail(str(error))
    if as_json:
        typer.echo(rows.write_json())
        return
    if rows.is_empty():
        fail("There is nothing to compare: all events happened at the same time.")
    since, until = rows["since"][0], rows["until"][0]
    judged = rows["limit"].count()
    if drifted := said(rows.filter("drifted")):
        typer.echo(f"Drifted: {drifted}.")
    elif judged:
        typer.echo(f"Nothing has drifted; {judged} of the {rows.height} rows are judged.")
    else:
        typer.echo("There are too few users, before or since, to judge.")
    typer.echo(
        f"Current: events from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC; reference: "
        "those before. Both columns are effective numbers of users or items. A row without a "
        "limit is not judged.\n"
    )
    shown = rows.sort("drifted", "measure", "subject", descending=[True, False, False])
    numbers = pl.col("reference", "current").round(), pl.col("value", "noise").round(3)
    limits = pl.col("limit").cast(pl.String).fill_null("")
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=160,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_formatting="ASCII_MARKDOWN",
    ):
        typer.echo(shown.drop("since", "until").with_columns(*numbers, limits))
