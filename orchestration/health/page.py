"""The page that says whether all is well: one content, as text for terminals and as Markdown."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from orchestration.health.facts import GB, Automation, EndedRun, Facts, TableAge
from orchestration.health.verdict import Health, Problem, said
from orchestration.spans import span

_FACTS = TypeAdapter(Facts)
_PROBLEMS = TypeAdapter(tuple[Problem, ...])


@dataclass(frozen=True)
class _Section:
    """A heading and rows of a name and what is known of it."""

    title: str
    rows: tuple[tuple[str, str], ...]


def as_text(health: Health) -> str:
    """The page for a terminal: first what to do, then what is known."""
    lines = [health.headline, *(f"Also: {said(problem)}" for problem in health.problems[1:])]
    for section in _sections(health.facts):
        width = max(len(name) for name, _ in section.rows)
        lines += ["", section.title]
        lines += [f"  {name:<{width}}  {value}".rstrip() for name, value in section.rows]
    return "\n".join(lines)


def as_markdown(health: Health) -> str:
    """The page for the web UI."""
    lines = [f"**{health.headline}**"]
    lines += [f"- {said(problem)}" for problem in health.problems[1:]]
    for section in _sections(health.facts):
        rows = (f"| {_cell(name)} | {_cell(value)} |" for name, value in section.rows)
        lines += ["", f"### {section.title}", "", "| | |", "|---|---|", *rows]
    return "\n".join(lines)


def for_programs(health: Health) -> dict[str, Any]:
    """The same, JSON-able: `well`, `headline`, `problems`, and the facts."""
    problems = _PROBLEMS.dump_python(health.problems, mode="json")
    facts: dict[str, Any] = _FACTS.dump_python(health.facts, mode="json")
    return {"well": health.well, "headline": health.headline, "problems": problems, **facts}


def _sections(facts: Facts) -> Iterator[_Section]:
    yield _Section(f"{facts.home}, {_instant(facts.at)}", tuple(_state(facts)))
    if facts.tables:
        rows = tuple((table.name, _age(table, facts.at)) for table in facts.tables)
        yield _Section("Tables", rows)
    champion = facts.champion
    if champion.changes:
        changes = [
            (_instant(one.since), f"{one.version}, by {one.by}: {one.reason}")
            for one in champion.changes
        ]
        yield _Section("Champion", (*changes, ("last run's gate", champion.verdict or "none yet")))


def _state(facts: Facts) -> Iterator[tuple[str, str]]:
    yield "works now", "; ".join(_works(facts)) or "nobody"
    yield "last success", _run(facts.runs.last_success, facts.at)
    yield "last failure", _run(facts.runs.last_failure, facts.at)
    yield "next runs", _next_runs(facts.automation)
    if facts.automation.sensors:
        yield "sensors on", ", ".join(facts.automation.sensors)
    if facts.rejects is not None:
        share = facts.rejects
        yield "rejected rows", f"{share.rejected:.2%} (a run stops above {share.most:.2%})"
    disk = facts.disk
    yield "free disk", f"{disk.free / GB:,.1f} GB (at least {disk.least / GB:g})"


def _works(facts: Facts) -> Iterator[str]:
    for worker in facts.working:
        yield f"{worker.what} (process {worker.pid}), for {span(facts.at - worker.since)}"


def _run(run: EndedRun | None, now: datetime) -> str:
    if run is None:
        return "none"
    reason = f": {run.reason}" if run.reason else ""
    return f"{span(now - run.at)} ago, {run.job}, run {run.run_id[:8]}{reason}"


def _next_runs(automation: Automation) -> str:
    on = [f"{run.schedule} at {_instant(run.at)}" for run in automation.next_runs]
    return ", ".join(on) or "none: no schedule is on"


def _age(table: TableAge, now: datetime) -> str:
    limit = "" if table.hours is None else f" (overdue after {table.hours:g} h)"
    if table.current_at is None:
        return f"never made{limit}"
    return f"current {span(now - table.current_at)} ago{limit}"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
