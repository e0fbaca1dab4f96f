"""Events: acknowledged once they are on the disk, and counted once."""

import asyncio
import sqlite3
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body

from crossmodal.event_log import LoggedEvent
from crossmodal.group_commit import LogClosedError, QueueFullError
from serving.problems import Problem, problem_responses
from serving.routes.asking import Asked, InUse, instant, item_indexes, unusable
from serving.schemas import Event, EventOrBatch, EventsTaken
from serving.service import Service

router = APIRouter(prefix="/v1", tags=["events"])


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
        raise unusable(f"{field}.value", "A rating needs a value.")
    return LoggedEvent(
        event.event_id,
        service.pseudonym(event.user_id),
        event.item_id,
        event.type,
        event.value,
        event.text,
        event.request_id,
        instant(event.timestamp, f"{field}.timestamp"),
    )
