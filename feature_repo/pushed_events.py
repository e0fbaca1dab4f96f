"""Events that an app pushes through Feast: checked, put into the log, and counted online."""

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from crossmodal.event_log import EventLog, EventType, LoggedEvent
from crossmodal.event_rules import EventId, Rank, RequestId, ReviewText, Value, require_fitting
from crossmodal.instants import Instant, event_instant
from crossmodal.item_log import ItemLog
from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.store_errors import StoreError
from feature_repo.live_features import bring_up_to_date

if TYPE_CHECKING:
    import pandas as pd

_PSEUDONYM = re.compile("[0-9a-f]{64}")


class EventsRefusedError(ValueError):
    """An event cannot be used; none of those that came with it was taken."""

    def __init__(self, row: int, fault: str) -> None:
        super().__init__(f"Row {row + 1} cannot be pushed, and no row was taken. {fault}")


class EventsNotWrittenError(RuntimeError):
    """The log cannot be written; no event was taken."""


def take_events(paths: StatePaths, frame: "pd.DataFrame") -> None:
    """Puts events into the log of a home, then brings the features that they change up to date.

    An event whose id is known counts once, whoever sent it first.

    Args:
        paths: the home, with definitions applied.
        frame: event_id, user_id (a pseudonym), item_id, event_type, and where there are any value,
            text, request_id, rank and event_timestamp, which is now by default.

    Raises:
        EventsRefusedError: an event cannot be used, and none was taken.
        EventsNotWrittenError: the log cannot be written, and none was taken.
        OnlineStoreError: the events are on the disk, and the online store cannot be written.
    """
    events = _checked(frame)
    _require_items(paths, [event.item_id for event in events])
    try:
        with closing(EventLog(paths.event_log)) as log:
            log.append(events).result()
    except (sqlite3.Error, OSError, StoreError) as error:
        raise EventsNotWrittenError(
            f"No event could be written to {paths.event_log}, and none was taken: {error}"
        ) from error
    bring_up_to_date(
        paths, {event.user_id for event in events}, {event.item_id for event in events}
    )


def _pseudonym(given: str) -> str:
    if not _PSEUDONYM.fullmatch(given):
        raise ValueError(
            "It must be the pseudonym that the store knows a user by, 64 hex digits, and not the "
            "app's own id: `crossmodal features key USER` prints it."
        )
    return given


class _Pushed(BaseModel):
    """One event, by the rules of the service but for the name of the user."""

    model_config = ConfigDict(extra="forbid")

    event_id: EventId
    user_id: Annotated[str, AfterValidator(_pseudonym)]
    item_id: str
    event_type: EventType
    value: Value | None = None
    text: ReviewText | None = None
    request_id: RequestId | None = None
    rank: Rank | None = None
    event_timestamp: Instant = None

    @model_validator(mode="after")
    def _fits(self) -> "_Pushed":
        require_fitting(self.event_type, self.value)
        return self

    def logged(self) -> LoggedEvent:
        """The event as the log has it."""
        fields = self.model_dump()
        return LoggedEvent(**{**fields, "event_timestamp": event_instant(self.event_timestamp)})


_EVENTS = TypeAdapter(list[_Pushed])


def _checked(frame: "pd.DataFrame") -> list[LoggedEvent]:
    # Pandas says NaN and NaT where a row of a column has nothing.
    given = frame.astype(object).where(frame.notna(), None).to_dict("records")
    try:
        events = _EVENTS.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        row, *place = first["loc"]
        where = f"{place[0]}: " if place else ""
        fault = first["msg"].removeprefix("Value error, ")
        raise EventsRefusedError(int(row), f"{where}{fault}") from error
    logged = []
    for row, event in enumerate(events):
        try:
            logged.append(event.logged())
        except ValueError as error:
            raise EventsRefusedError(row, f"event_timestamp: {error}") from error
    return logged


def _require_items(paths: StatePaths, asked: list[str]) -> None:
    known = known_items(paths)
    for row, item in enumerate(asked):
        if item not in known:
            raise EventsRefusedError(row, f"item_id: the catalogue has no item {item!r}.")


def known_items(paths: StatePaths) -> set[str]:
    """The items of the last run, as apps have changed them since."""
    known = set(Lake(paths.lake).scan("items").select("item_id").collect()["item_id"])
    if paths.item_log.is_file():
        with closing(ItemLog(paths.item_log, paths.uploads)) as log:
            for item in log.since(0):
                if item.deleted:
                    known.discard(item.item_id)
                elif item.description is not None:
                    # Media alone describe no item: they are of one that the catalogue has.
                    known.add(item.item_id)
    return known
