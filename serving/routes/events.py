"""Events: acknowledged once they are on the disk, counted once, and undone by their id."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from http import HTTPStatus
from typing import Annotated

from fastapi import Body, Path

from crossmodal.event_log import LoggedEvent
from crossmodal.group_commit import LogClosedError, QueueFullError
from serving.guarded import v1_router
from serving.problems import FieldError, Problem
from serving.routes.asking import Asked, InUse, item_indexes, unusable
from serving.schemas import Event, EventId, EventOrBatch, EventsTaken
from serving.service import Service
from serving.taking import EventFaultError, logged_event

router = v1_router("events", "events", 404, 422, 429, 503)


@router.post("/events")
async def events(
    service: Asked, champion: InUse, sent: Annotated[EventOrBatch, Body()]
) -> EventsTaken:
    """Takes one event or a batch. The answer means that all are on the disk."""
    batch = [sent] if isinstance(sent, Event) else sent.events
    where = "body" if isinstance(sent, Event) else "body.events.{}"
    item_indexes(champion, [event.item_id for event in batch], f"{where}.item_id")
    taken = [_logged(service, event, where.format(place)) for place, event in enumerate(batch)]
    new = await _written(lambda: service.events.append(taken), "None of the events was taken.")
    return EventsTaken(acknowledged=len(batch), new=new)


@router.delete("/events/{event_id:path}", status_code=HTTPStatus.NO_CONTENT)
async def undo(service: Asked, event_id: Annotated[EventId, Path()]) -> None:
    """Undoes an event, as if it had never been; undone again, it stays so.

    It is no part of its user's lists from the next answer on. With the next run it leaves the lake
    too, by which lists for everyone go until then. Sent again, it stays undone.
    """
    known = await _written(lambda: service.events.undo(event_id), "Nothing was undone.")
    if not known:
        message = f"No event has the id {event_id!r}; it is the event_id that it was reported with."
        raise Problem(
            HTTPStatus.NOT_FOUND, message, (FieldError(field="path.event_id", message=message),)
        )


async def _written(write: "Callable[[], Future[int]]", otherwise: str) -> int:
    """What the log answers once it is on the disk; where it is not, the problem says what holds."""
    try:
        return await asyncio.wrap_future(write())
    except QueueFullError as error:
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS, f"{error} {otherwise}", headers={"Retry-After": "1"}
        ) from error
    except (LogClosedError, sqlite3.Error) as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The log cannot be written. {otherwise} {error}",
            headers={"Retry-After": "5"},
        ) from error


def _logged(service: Service, event: Event, field: str) -> LoggedEvent:
    try:
        return logged_event(event, service.pseudonym)
    except EventFaultError as error:
        raise unusable(f"{field}.{error.field}", str(error)) from error
