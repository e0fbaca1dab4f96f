"""Events: acknowledged once they are on the disk, and counted once."""

import asyncio
import sqlite3
import time
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body

from crossmodal.event_log import LogClosedError, LoggedEvent, QueueFullError
from serving.problems import FieldError, Problem, problem_responses
from serving.routes.asking import Asked, InUse, item_indexes
from serving.schemas import Event, EventOrBatch, EventsTaken
from serving.service import Service

router = APIRouter(prefix="/v1", tags=["events"])
_MICROSECONDS = 1_000_000
_CLOCKS_APART = 300 * _MICROSECONDS


@router.post("/events", responses=problem_responses(404, 422, 429, 503))
async def events(
    service: Asked, champion: InUse, sent: Annotated[EventOrBatch, Body()]
) -> EventsTaken:
    """Takes one event or a batch. The answer means that all are on the disk."""
    batch = [sent] if isinstance(sent, Event) else sent.events
    where = "body" if isinstance(sent, Event) else "body.events.{}"
    item_indexes(champion, [event.item_id for event in batch], f"{where}.item_id")
    taken = [_logged(service, event, where.format(place)) for place, event in enumerate(batch)]
    try:
        new = await asyncio.wrap_future(service.events.append(taken))
    except QueueFullError as error:
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"{error} None of the events was taken.",
            headers={"Retry-After": "1"},
        ) from error
    except (LogClosedError, sqlite3.Error) as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The events could not be written, and none was taken: {error}",
            headers={"Retry-After": "5"},
        ) from error
    return EventsTaken(acknowledged=len(batch), new=new)


def _logged(service: Service, event: Event, field: str) -> LoggedEvent:
    if event.type == "rating" and event.value is None:
        raise _unusable(f"{field}.value", "A rating needs a value.")
    return LoggedEvent(
        event.event_id,
        service.pseudonym(event.user_id),
        event.item_id,
        event.type,
        event.value,
        event.text,
        event.request_id,
        _instant(event.timestamp, f"{field}.timestamp"),
    )


def _instant(told: datetime | None, field: str) -> int:
    """UTC microseconds of an event: now where the app does not say."""
    now = time.time_ns() // 1000
    if told is None:
        return now
    if told.tzinfo is None:
        raise _unusable(field, "The time has no zone; add one, such as Z.")
    instant = round(told.timestamp() * _MICROSECONDS)
    if not 0 <= instant <= now + _CLOCKS_APART:
        raise _unusable(field, "The time is before 1970 or in the future.")
    return instant


def _unusable(field: str, message: str) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{field}: {message}",
        (FieldError(field=field, message=message),),
    )
