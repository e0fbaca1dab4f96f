"""What is known of a home that says whether all is well there; times are in UTC."""

from dataclasses import dataclass
from datetime import datetime, timedelta

GB = 1_000_000_000


@dataclass(frozen=True)
class TableAge:
    """How old a table is.

    Attributes:
        name: of the table and of its asset.
        current_at: when a run last made it or found it current; None if none did.
        hours: age above which it is overdue; None where any age will do.
    """

    name: str
    current_at: datetime | None
    hours: float | None

    @property
    def due_at(self) -> datetime | None:
        """When it becomes overdue; None if it never does, or was never made."""
        if self.current_at is None or self.hours is None:
            return None
        return self.current_at + timedelta(hours=self.hours)


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended.

    Attributes:
        run_id: under which the web UI shows it.
        job: that it was of.
        at: when it ended.
        reason: why it failed, one sentence; empty if it did not.
    """

    run_id: str
    job: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True)
class Worker:
    """A process that works in the home.

    Attributes:
        what: for people, such as `crossmodal run`.
        pid: of the process.
        since: when it began.
    """

    what: str
    pid: int
    since: datetime


@dataclass(frozen=True)
class NextRun:
    """When a schedule that is on starts its next run."""

    schedule: str
    at: datetime


@dataclass(frozen=True)
class FailedTick:
    """A schedule or sensor that is on and could not look whether to start a run.

    Attributes:
        name: of the schedule or sensor.
        at: when it last tried.
        reason: why it could not, one sentence.
    """

    name: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class Change:
    """A change of the champion: which version answers since when, by whose decision and why."""

    version: str
    since: datetime
    by: str
    reason: str


@dataclass(frozen=True)
class Runs:
    """What Dagster has recorded of runs.

    Attributes:
        last_success: the last run that ended well.
        last_failure: the last run that failed, whether or not that was made good since.
        open_failures: of each job the last one whose work no later run has done, the newest first.
    """

    last_success: EndedRun | None = None
    last_failure: EndedRun | None = None
    open_failures: tuple[EndedRun, ...] = ()


@dataclass(frozen=True)
class Automation:
    """What the daemon does by itself.

    Attributes:
        works: whether the daemon, which `crossmodal ui` starts, is there.
        seen_at: when it was last seen; None if never.
        next_runs: of the schedules that are on, the earliest first.
        sensors: sensors that start runs and are on.
        failed_ticks: what is on and could not look.
        by_up: whether it is `crossmodal up` that starts the daemon.
    """

    works: bool = False
    seen_at: datetime | None = None
    next_runs: tuple[NextRun, ...] = ()
    sensors: tuple[str, ...] = ()
    failed_ticks: tuple[FailedTick, ...] = ()
    by_up: bool = False


@dataclass(frozen=True)
class Champion:
    """Which model answers.

    Attributes:
        changes: the last changes, the newest first, which is the one in force; empty if no model
            answers yet.
        verdict: what the gate of the last run said; empty if no run has judged yet.
        fault: why the version cannot answer, a sentence; empty if it can.
    """

    changes: tuple[Change, ...] = ()
    verdict: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Share:
    """Which share of the source's rows could not be used, and above which a run stops."""

    rejected: float
    most: float


@dataclass(frozen=True)
class Disk:
    """Free bytes of the disk that holds the home, and how many there must be."""

    free: int
    least: int


@dataclass(frozen=True)
class Facts:
    """All of it.

    Attributes:
        home: the folder.
        at: when this was looked at.
        made: whether a run has made tables there.
        tables: that matter to whoever asks for recommendations.
        runs: as Dagster recorded them.
        working: who works there now, as a rule nobody.
        longest_run: seconds after which a run has worked for too long; 0 for any time.
        automation: schedules, sensors and the daemon.
        champion: which model answers.
        rejects: None if no source was read yet.
        disk: of the home.
        unreadable: stores that could not be read, a sentence each.
        drift: what differs from before, by the last run, in words; empty for nothing.
        unmeasured: what the last run could not measure and why, a clause each.
        missing_folder: the folder of event files, where it is set and not there; else empty.
    """

    home: str
    at: datetime
    made: bool
    tables: tuple[TableAge, ...]
    runs: Runs
    working: tuple[Worker, ...]
    longest_run: int
    automation: Automation
    champion: Champion
    rejects: Share | None
    disk: Disk
    unreadable: tuple[str, ...] = ()
    drift: str = ""
    unmeasured: tuple[str, ...] = ()
    missing_folder: str = ""
