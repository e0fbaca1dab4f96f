"""Who was champion when, by whose decision and why; and the step from one champion to the next.

The file `champion` of the registry alone says which version answers. The history next to it says
how that came about: an entry is written before the file changes, so that a reason is never lost,
and counts only once the file names its version.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import filelock
from pydantic import TypeAdapter, ValidationError

from crossmodal.atomic import atomic_write_bytes
from models.registry import ChampionFileError, ModelRegistry, UnknownVersionError

HISTORY = "history.jsonl"
UNRECORDED = "It answered before a history of promotions was kept, or was not promoted by a command"
"""The reason of a champion that the history does not know, without a full stop."""

_LOCK = "champion.lock"
_PATIENCE_SECONDS = 60.0

By = Literal["gate", "hand"]
"""Who decided: the gate of a run (`models.promotion`), or an operator by a command."""

Kind = Literal["promotion", "rollback"]


class HistoryError(RuntimeError):
    """The history cannot be read; the message names the file and the way out."""


class ChampionBusyError(RuntimeError):
    """Another process has been changing the champion for too long."""


@dataclass(frozen=True)
class Promotion:
    """One change of the champion.

    Attributes:
        version: that answers from then on.
        judged_by: the version whose figures speak for it; itself where it was judged.
        at: when, in UTC.
        by: who decided.
        kind: a rollback returns to a former champion.
        reason: why, for people.
        known: of a decision by hand, every version that existed then: no gate may replace the
            champion with one of these.
    """

    version: str
    judged_by: str
    at: datetime
    by: By
    kind: Kind
    reason: str
    known: tuple[str, ...] = ()

    @property
    def since(self) -> str:
        """When, for people."""
        return f"{self.at:%Y-%m-%d %H:%M} UTC"


_ENTRY = TypeAdapter(Promotion)


class Promotions:
    """The champion of a registry with its history.

    Args:
        registry: whose champion it is.
        now: the clock.
    """

    def __init__(
        self, registry: ModelRegistry, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._registry, self._now = registry, now
        self._file = registry.root / HISTORY
        self._lock = filelock.FileLock(registry.root / _LOCK, timeout=_PATIENCE_SECONDS)

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Keeps others from changing the champion, and from deleting versions, for the block.

        Raises:
            ChampionBusyError: another process does so for a minute already.
        """
        self._registry.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise ChampionBusyError(
                f"Another process is changing the champion of {self._registry.root}; try again "
                "once it has ended."
            ) from error
        try:
            yield
        finally:
            self._lock.release()

    def history(self) -> tuple[Promotion, ...]:
        """All changes that took effect, the oldest first; the last is the champion's.

        Raises:
            HistoryError: the file is damaged, or the one that names the champion.
        """
        champion, written = self._named(), _read(self._file)
        if champion is None:
            return ()
        # `promote` writes the entry before it changes the champion: where it was killed in between,
        # the last entry never took effect.
        for effective in (written, written[:-1]):
            if effective and effective[-1].version == champion:
                return effective
        return (*written, self._unrecorded(champion))

    def current(self) -> Promotion | None:
        """How the version in use came to answer; None before the first promotion.

        Raises:
            HistoryError: as for `history`.
        """
        return next(reversed(self.history()), None)

    def former(self) -> tuple[str, ...]:
        """Versions that answered earlier and can be returned to, the next rollback's target first.

        After the promotions a, b and c they are b and a. A rollback takes back what came after its
        version: after a rollback to b only a is left, so that the next one goes further back, and
        not forward again to c.

        Raises:
            HistoryError: as for `history`.
        """
        path: list[str] = []
        for entry in self.history():
            if entry.kind == "rollback" and entry.version in path:
                path = path[: _last_index(path, entry.version) + 1]
            elif not path or path[-1] != entry.version:
                path.append(entry.version)
        return tuple(dict.fromkeys(name for name in reversed(path[:-1]) if name != path[-1]))

    def held_against(self, candidate: str) -> Promotion | None:
        """The decision by hand that keeps a judged version from answering; None if none does.

        It keeps every version out that existed when it was made.

        Raises:
            HistoryError: as for `history`.
        """
        current = self.current()
        if current is not None and current.by == "hand" and candidate in current.known:
            return current
        return None

    def promote(self, version: str, *, by: By, reason: str, kind: Kind = "promotion") -> Promotion:
        """Makes a version the one in use, and keeps why. One that is already in use stays as it is.

        Args:
            version: of the registry.
            by: whose decision it is.
            reason: for people.
            kind: whether it returns to a former champion.

        Raises:
            UnknownVersionError: there is none of this name.
            HistoryError: as for `history`.
            ChampionBusyError: as for `deciding`.
        """
        with self.deciding():
            before = self.history()
            if before and before[-1].version == version:
                return before[-1]
            made = Promotion(version, self._judged_by(version), self._now(), by, kind, reason)
            if by == "hand":
                made = replace(made, known=tuple(self._registry.names()))
            self._write((*before, made))
            self._registry.promote(version)
            return made

    def _named(self) -> str | None:
        try:
            return self._registry.champion()
        except ChampionFileError as error:
            raise HistoryError(str(error)) from error
        except (OSError, ValueError) as error:
            raise HistoryError(
                f"{self._registry.root / 'champion'} cannot be read ({error}): write the name of a "
                "version into it."
            ) from error

    def _write(self, entries: Iterable[Promotion]) -> None:
        atomic_write_bytes(self._file, b"".join(_ENTRY.dump_json(one) + b"\n" for one in entries))

    def _unrecorded(self, version: str) -> Promotion:
        """What is known of a champion that the history does not name."""
        at = datetime.fromtimestamp(self._registry.promoted_at(), UTC)
        try:
            judged_by = self._judged_by(version)
        except (UnknownVersionError, ValueError, TypeError):
            judged_by = version
        return Promotion(version, judged_by, at, "gate", "promotion", f"{UNRECORDED}.")

    def _judged_by(self, version: str) -> str:
        return self._registry.version(version).judged_by or version


def champions_since(history: Iterable[Promotion], instant: datetime) -> frozenset[str]:
    """The versions that answered at some time after an instant.

    Args:
        history: the oldest change first.
        instant: in UTC.
    """
    entries = tuple(history)
    ends = [entry.at for entry in entries[1:]]
    past = {entry.version for entry, end in zip(entries, ends, strict=False) if end >= instant}
    return frozenset(past | {entry.version for entry in entries[-1:]})


def _last_index(path: list[str], version: str) -> int:
    return len(path) - 1 - path[::-1].index(version)


def _read(file: Path) -> tuple[Promotion, ...]:
    if not file.is_file():
        return ()
    try:
        return tuple(_ENTRY.validate_json(line) for line in file.read_bytes().splitlines())
    except (OSError, ValidationError) as error:
        raise HistoryError(
            f"The history of champions {file} cannot be read: put a copy of it back, or move it "
            "away, which forgets what was decided by hand."
        ) from error
