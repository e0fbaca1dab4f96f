"""What must be done about a home, the most urgent first; nothing, if all is well."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestration.health.facts import GB, Facts

WELL = "All is well."
_WORKS = "Everything works."
EMPTY = "nothing_made"
"""The problem of a home that no run has filled yet: to be shown, but nobody is alerted of it."""


_CLOCKS_APART = timedelta(minutes=5)
"""Less is no reason to worry anybody: clocks are set by seconds all the time."""


@dataclass(frozen=True)
class Problem:
    """Something that somebody must do something about, or look at.

    Attributes:
        key: the same as long as the problem lasts, whatever else is said of it.
        what: what is wrong, in whole sentences.
        command: what to type first.
        since: when it began, in UTC; None if that is not known.
        fault: whether something does not work; False for what people should look at, such as a
            change of taste.
    """

    key: str
    what: str
    command: str
    since: datetime | None = None
    fault: bool = True


@dataclass(frozen=True)
class Health:
    """What is known of a home, and what must be done.

    Attributes:
        facts: what is known.
        problems: the most urgent first.
    """

    facts: Facts
    problems: tuple[Problem, ...]

    @property
    def well(self) -> bool:
        """Whether everything works; there may still be something to look at."""
        return not any(problem.fault for problem in self.problems)

    @property
    def headline(self) -> str:
        """That all is well, or the most urgent problem and what to type."""
        if not self.problems:
            return WELL
        first = said(self.problems[0])
        return f"{_WORKS} {first}" if self.well else first


def said(problem: Problem) -> str:
    """A problem and what to do, on one line."""
    return f"{problem.what} Next: `{problem.command}`."


def judged(facts: Facts) -> Health:
    """What must be done, by the limits that the facts come with."""
    if not facts.made and not facts.unreadable:
        nothing = Problem(EMPTY, f"No run has made anything in {facts.home} yet.", "crossmodal run")
        return Health(facts, (*_disk(facts), *_failed(facts), nothing))
    looks = (
        *(_unreadable, _clock, _disk, _champion, _failed, _ticks, _daemon),
        *(_folder, _overdue, _long_run, _rejects, _unmeasured, _drift),
    )
    return Health(facts, tuple(problem for look in looks for problem in look(facts)))


def _unreadable(facts: Facts) -> Iterator[Problem]:
    if facts.unreadable:
        yield Problem("unreadable", " ".join(facts.unreadable), "crossmodal doctor")


def _clock(facts: Facts) -> Iterator[Problem]:
    runs = (facts.runs.last_success, facts.runs.last_failure)
    recorded = [
        *(run.at for run in runs if run is not None),
        *(table.current_at for table in facts.tables if table.current_at is not None),
        *(change.since for change in facts.champion.changes[:1]),
    ]
    newest = max(recorded, default=facts.at)
    if newest > facts.at + _CLOCKS_APART:
        yield Problem(
            "clock",
            f"The clock was set back: something was recorded at {newest:%Y-%m-%d %H:%M} UTC, and "
            f"it is {facts.at:%Y-%m-%d %H:%M} UTC. Until then, ages and schedules are wrong.",
            "date -u",
        )


def _disk(facts: Facts) -> Iterator[Problem]:
    disk = facts.disk
    if disk.free < disk.least:
        yield Problem(
            "disk",
            f"The disk of {facts.home} has {disk.free / GB:.1f} GB left; "
            f"CROSSMODAL_UNATTENDED_FREE_GB asks for {disk.least / GB:g}.",
            f"du -xsh {facts.home}/*",
        )


def _champion(facts: Facts) -> Iterator[Problem]:
    if facts.champion.fault:
        yield Problem(
            "champion",
            f"The champion cannot answer: {facts.champion.fault}",
            "crossmodal champion",
            facts.champion.changes[0].since if facts.champion.changes else None,
        )


def _failed(facts: Facts) -> Iterator[Problem]:
    for run in facts.runs.open_failures:
        yield Problem(
            f"failed_run:{run.job}",
            f"A run of {run.job} failed, and none has done its work since. {_ended(run.reason)}",
            "crossmodal run",
            run.at,
        )


def _ticks(facts: Facts) -> Iterator[Problem]:
    for tick in facts.automation.failed_ticks:
        yield Problem(
            f"failed_tick:{tick.name}",
            f"{tick.name} is on, but could not look whether to start a run. {_ended(tick.reason)}",
            "crossmodal ui",
            tick.at,
        )


def _daemon(facts: Facts) -> Iterator[Problem]:
    automation = facts.automation
    on = [*(run.schedule for run in automation.next_runs), *automation.sensors]
    if on and not automation.works:
        yield Problem(
            "daemon",
            f"Nothing starts what is on ({', '.join(on)}), since the web UI does not run.",
            "crossmodal up" if automation.by_up else "crossmodal ui",
            automation.seen_at,
        )


def _folder(facts: Facts) -> Iterator[Problem]:
    if facts.missing_folder:
        yield Problem(
            "events_folder",
            f"There is no folder {facts.missing_folder}, so that no file of events is taken; "
            "CROSSMODAL_UNATTENDED_EVENTS_FOLDER names it.",
            f"ls -ld {facts.missing_folder}",
        )


def _overdue(facts: Facts) -> Iterator[Problem]:
    late = [table for table in facts.tables if table.hours is not None]
    missing = [table.name for table in late if table.current_at is None]
    due = {table.name: table.due_at for table in late if table.due_at is not None}
    overdue = {name: at for name, at in due.items() if at < facts.at}
    if missing or overdue:
        ages = [f"{table.name} ({table.hours:g} h)" for table in late if table.name in overdue]
        what = [
            *([f"Overdue, by the age allowed: {', '.join(ages)}."] if ages else []),
            *([f"No run has made {', '.join(missing)}."] if missing else []),
        ]
        since = min(overdue.values(), default=None)
        yield Problem("overdue", " ".join(what), "crossmodal run", since)


def _long_run(facts: Facts) -> Iterator[Problem]:
    if not facts.longest_run:
        return
    for worker in facts.working:
        end = worker.since + timedelta(seconds=facts.longest_run)
        if end < facts.at:
            yield Problem(
                "long_run",
                f"{worker.what} works for longer than CROSSMODAL_UNATTENDED_RUN_SECONDS allows.",
                f"kill {worker.pid}",
                end,
            )


def _rejects(facts: Facts) -> Iterator[Problem]:
    share = facts.rejects
    if share is not None and share.rejected > share.most:
        yield Problem(
            "rejects",
            f"{share.rejected:.1%} of the source's rows cannot be used; "
            f"CROSSMODAL_MAX_REJECT_SHARE allows {share.most:.1%}.",
            "crossmodal run",
        )


def _drift(facts: Facts) -> Iterator[Problem]:
    if facts.drift:
        yield Problem(
            "drift",
            f"Newer events differ from those before: {facts.drift}.",
            "crossmodal drift",
            fault=False,
        )


def _unmeasured(facts: Facts) -> Iterator[Problem]:
    if facts.unmeasured:
        yield Problem(
            "unmeasured",
            f"The last run could not measure {_ended('; '.join(facts.unmeasured))}",
            "crossmodal run",
        )


def _ended(reason: str) -> str:
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."
