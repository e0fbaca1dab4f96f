"""Looks at a home: its tables, models, disk, and what Dagster recorded there. Changes nothing."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import dagster as dg
from dagster import DagsterInstance
from pyarrow import ArrowException
from sqlalchemy.exc import SQLAlchemyError

from assets.drift_table import DRIFT, newest_run, said
from assets.watching import why_unmeasured
from crossmodal.home_lock import Holder, holder_of
from crossmodal.lake_damage import damage_of_footer, files_of_tables
from crossmodal.store_errors import StoreError
from crossmodal.workspace import Workspace
from models.champion_history import HistoryError, Promotion, Promotions
from models.registry import ModelRegistry
from models.version_faults import fault_of
from orchestration.finished import last_finished
from orchestration.freshness import freshness_hours
from orchestration.health.automation import automation_of
from orchestration.health.facts import (
    GB,
    Automation,
    Champion,
    Change,
    Disk,
    Facts,
    Runs,
    Share,
    TableAge,
    Worker,
)
from orchestration.health.runs import one_line, recorded_runs
from orchestration.health.verdict import Health, judged
from orchestration.instance import open_instance, readable_records
from orchestration.services.places import noted
from orchestration.table_ages import current_at
from orchestration.watching import WATCHING

_BEGIN = ("interactions", "items")
"""What everything else is made from; of any age, since a source may have nothing new for months."""

_SHOWN_CHANGES = 3
_UNREADABLE = (OSError, ArrowException, KeyError, TypeError, ValueError)
_RECORDS_UNREADABLE = (OSError, SQLAlchemyError, StoreError, dg.DagsterError)
_Found = TypeVar("_Found")


def health_of(
    workspace: Workspace, instance: DagsterInstance | None = None, now: datetime | None = None
) -> Health:
    """What is known of a home, and what must be done.

    Args:
        workspace: of the home, which need not be there.
        instance: of the home; opened for the look by default.
        now: the time, by default the present.
    """
    looked_at = now or datetime.now(UTC)
    files, unreadable = _of_files(workspace, looked_at)
    if not workspace.paths.dagster.is_dir():
        return judged(replace(files, unreadable=unreadable))
    try:
        with (
            readable_records(workspace.paths),
            nullcontext(instance) if instance else open_instance(workspace.paths) as opened,
        ):
            facts = _with_records(files, workspace, opened)
    except _RECORDS_UNREADABLE as error:
        said = f"What Dagster recorded cannot be read: {one_line(str(error)).rstrip('.')}."
        facts, unreadable = files, (*unreadable, said)
    return judged(replace(facts, unreadable=unreadable))


def _of_files(workspace: Workspace, now: datetime) -> tuple[Facts, tuple[str, ...]]:
    """What files alone say, and which of them cannot be read."""
    unreadable: list[str] = []

    def read(look: Callable[[Workspace], _Found], otherwise: _Found) -> _Found:
        try:
            return look(workspace)
        except (*_UNREADABLE, HistoryError) as error:
            unreadable.append(one_line(str(error)))
            return otherwise

    champion, rejects = read(_champion, Champion()), read(_rejects, None)
    drift = read(_drift, "")
    unmeasured: tuple[str, ...] = read(_unmeasured, ())
    damaged: tuple[str, ...] = read(_damaged_tables, ())
    unreadable += [why for why in damaged if why not in unreadable]
    facts = Facts(
        home=str(workspace.paths.home),
        at=now,
        made=workspace.lake.exists("items"),
        tables=(),
        runs=Runs(),
        working=_working(workspace),
        longest_run=workspace.settings.unattended_run_seconds,
        automation=Automation(),
        champion=champion,
        rejects=rejects,
        disk=_disk(workspace),
        drift=drift,
        unmeasured=unmeasured,
        missing_folder=_missing_folder(workspace),
    )
    return facts, tuple(unreadable)


def _with_records(facts: Facts, workspace: Workspace, instance: DagsterInstance) -> Facts:
    all_current_at, _ = last_finished(workspace)
    hours = freshness_hours(workspace.settings)
    names = (*_BEGIN, *hours)
    found = current_at(workspace, instance, names)
    ui = holder_of(workspace.paths, "ui") is not None
    settings = workspace.settings
    # A command of the operator's own shell does not have the setting of what `up` has started.
    by_up = noted(workspace.paths) is not None
    unattended = settings.unattended or by_up
    time_zone = settings.unattended_time_zone
    return replace(
        facts,
        tables=tuple(TableAge(name, found.get(name), hours.get(name)) for name in names),
        runs=recorded_runs(instance, all_current_at, facts.at),
        automation=replace(
            automation_of(instance, time_zone, ui, unattended, facts.at), by_up=by_up
        ),
    )


def _working(workspace: Workspace) -> tuple[Worker, ...]:
    holders = (holder_of(workspace.paths, work) for work in ("run", "backup"))
    return tuple(_worker(holder) for holder in holders if holder is not None)


def _worker(holder: Holder) -> Worker:
    since = datetime.fromisoformat(holder.since).replace(tzinfo=UTC)
    return Worker(f"{holder.what} {holder.run_id}".rstrip(), holder.pid, since)


def _champion(workspace: Workspace) -> Champion:
    """Which model answers, without loading it."""
    registry = ModelRegistry(workspace.paths.models)
    history = Promotions(registry).history()
    lake = workspace.lake
    verdict = lake.version("champion").summary["reason"] if lake.exists("champion") else ""
    changes = tuple(map(_change, reversed(history[-_SHOWN_CHANGES:])))
    return Champion(changes, verdict, fault_of(registry, changes[0].version) if changes else "")


def _change(entry: Promotion) -> Change:
    by = entry.by if entry.kind == "promotion" else f"{entry.by} ({entry.kind})"
    return Change(entry.version, entry.at, by, entry.reason)


def _rejects(workspace: Workspace) -> Share | None:
    if not workspace.lake.exists("rejects"):
        return None
    summary = workspace.lake.version("rejects").summary
    return Share(summary["share"], workspace.settings.max_reject_share)


def _drift(workspace: Workspace) -> str:
    if not workspace.lake.exists(DRIFT):
        return ""
    return said(newest_run(workspace.lake.read(DRIFT)).filter("drifted"))


def _unmeasured(workspace: Workspace) -> tuple[str, ...]:
    """What the last run could not measure and why, a sentence each."""
    lake = workspace.lake
    faults = {table: why_unmeasured(lake, table) for table in WATCHING if lake.exists(table)}
    return tuple(f"{table}: {one_line(fault)}" for table, fault in faults.items() if fault)


def _damaged_tables(workspace: Workspace) -> tuple[str, ...]:
    """Tables whose footers cannot be read, a sentence each."""
    found = map(damage_of_footer, files_of_tables(workspace.lake))
    return tuple(one_line(why) for why in found if why is not None)


def _missing_folder(workspace: Workspace) -> str:
    folder = workspace.settings.unattended_events_folder
    return "" if folder is None or folder.is_dir() else str(folder)


def _disk(workspace: Workspace) -> Disk:
    home = workspace.paths.home
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    least = round(workspace.settings.unattended_free_gb * GB)
    return Disk(shutil.disk_usage(existing).free, least)
