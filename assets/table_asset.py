"""The one way in which an asset of one table is declared: inputs, choices and body, each once."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import dagster as dg

from assets.declared import DeclaredWorkspace
from assets.retrying import retrying
from assets.stage import OWNERS, Context, Stamp, filled, made_from, materialize_table
from crossmodal.lake import Lake
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

Choices = Mapping[str, Any]
"""Settings and fingerprints that change a table; JSON-able."""


@dataclass(frozen=True)
class Making:
    """What the body of an asset gets when its table has to be made.

    Attributes:
        context: of the run; its log is the asset's.
        workspace: whose lake reads what is declared, and nothing else.
        stamp: what the table is made from; it is written with the table.
        choices: as they are declared, in this run.
    """

    context: Context
    workspace: Workspace
    stamp: Stamp
    choices: Choices

    @property
    def lake(self) -> Lake:
        """The declared tables."""
        return self.workspace.lake

    @property
    def settings(self) -> Settings:
        """What the operator chose."""
        return self.workspace.settings

    @property
    def forced(self) -> bool:
        """Whether nothing of the former table may be taken over."""
        return self.context.asset_key.to_user_string() in self.workspace.forced


Body = Callable[[Making], Mapping[str, Any] | None]
"""Writes the table; may return figures of this run alone, such as how many items it encoded."""


def _no_choices(workspace: Workspace) -> Choices:
    return {}


def _no_figures(workspace: Workspace) -> Mapping[str, Any]:
    return {}


def _yes(workspace: Workspace) -> bool:
    return True


def _no(workspace: Workspace) -> bool:
    return False


def table_asset(
    *,
    group: str,
    kinds: set[str],
    code_version: str,
    inputs: Iterable[str] = (),
    where_filled: Iterable[str] = (),
    after: Iterable[str] = (),
    also_reads: Iterable[str] = (),
    also_writes: Iterable[str] = (),
    choices: Callable[[Workspace], Choices] = _no_choices,
    pictures: tuple[str, ...] = (),
    intact: Callable[[Workspace], bool] = _yes,
    settled: Callable[[Workspace], bool] = _no,
    figures: Callable[[Workspace], Mapping[str, Any]] = _no_figures,
    name: str | None = None,
    table: str | None = None,
    description: str | None = None,
    automation: dg.AutomationCondition | None = None,
) -> Callable[[Body], dg.AssetsDefinition]:
    """Makes an asset of a function that writes one table, which stays while its inputs do.

    Args:
        group: the stage under which the web UI shows it.
        kinds: what it is made with, for the web UI.
        code_version: raised when the same inputs would give another table.
        inputs: assets whose tables it reads; it is made again when the content of one changes.
        where_filled: inputs that most homes leave empty: without a row they are no part of what
            the table is made from.
        after: assets that come before it, but whose content does not matter.
        also_reads: tables that it reads and that change only together with an input, or whose
            change must not make it again.
        also_writes: tables that it writes in addition to its own, each with the same stamp: it is
            made again where one of them is gone or was made from something else.
        choices: settings and fingerprints that change the table.
        pictures: names of the picture files that the body draws.
        intact: False if what is kept next to the table (a model folder, the online store) is gone,
            so that it must be made again.
        settled: True if an existing table stays, whatever it was made from, even if it is forced.
        figures: numbers of the table as it is now, which Dagster plots over time; shown where it is
            made and where it is kept.
        name: of the asset; the function's name by default.
        table: of the lake; the asset's name by default.
        description: for the web UI; the function's docstring by default.
        automation: when the daemon makes it without a schedule; by default never.
    """
    read, optional = tuple(inputs), tuple(where_filled)
    before = (*read, *optional, *after)
    written = tuple(also_writes)
    others = (*also_reads, *written)

    def declare(make: Body) -> dg.AssetsDefinition:
        asset = name or make.__name__
        table_name = table or asset

        @dg.asset(
            name=asset,
            deps=list(before),
            description=description or inspect.getdoc(make),
            group_name=group,
            owners=OWNERS,
            kinds=kinds,
            code_version=code_version,
            automation_condition=automation,
        )
        def materialize(
            context: Context, workspace: dg.ResourceParam[Workspace]
        ) -> dg.MaterializeResult:
            declared = DeclaredWorkspace(
                workspace.settings,
                workspace.progress,
                workspace.forced,
                asset,
                frozenset({table_name, *before, *others}),
            )
            with retrying(context, workspace.settings):
                chosen = choices(declared)
                given = (*read, *filled(declared.lake, optional))
                stamp = made_from(context, declared, *given, **chosen)
                if declared.lake.exists(table_name) and settled(declared):
                    stamp = dict(declared.lake.version(table_name).stamp)
                    declared = replace(declared, forced=frozenset())
                making = Making(context, declared, stamp, chosen)
                whole = all(declared.lake.current(other, stamp) for other in written)
                return materialize_table(
                    context,
                    declared,
                    table_name,
                    stamp,
                    partial(make, making),
                    pictures,
                    intact=whole and intact(declared),
                    figures=partial(figures, declared),
                )

        return materialize

    return declare
