"""What several routes ask of the service, and how it says that it cannot answer."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from crossmodal.instants import event_instant
from models.data import Bools, Ints
from serving.champion import Champion, NoChampionError
from serving.cursors import Cursor, CursorError
from serving.problems import MOST_ERRORS, FieldError, Problem, unavailable
from serving.schemas import Found, FoundItem
from serving.searching import Match
from serving.service import Service


# Coroutines, since FastAPI hands every other dependency to a thread, which costs more than they do.
async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _champion(service: Annotated[Service, Depends(_service)]) -> Champion:
    try:
        champion = service.champion_at_hand()
        return champion if champion is not None else await run_in_threadpool(service.champion)
    except NoChampionError as error:
        if error.cause is not None:
            raise unavailable(error.message, error.cause) from error
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, error.message, headers={"Retry-After": "5"}
        ) from error


Asked = Annotated[Service, Depends(_service)]
"""The service behind a route."""

InUse = Annotated[Champion, Depends(_champion)]
"""The champion of one request: taken once, so that no answer mixes two."""


def item_index(champion: Champion, item_id: str, field: str) -> int:
    """The dense index of an item.

    Raises:
        Problem: 404, the catalogue has no such item.
    """
    return int(item_indexes(champion, [item_id], field)[0])


def item_indexes(champion: Champion, item_ids: Iterable[str], field: str) -> Ints:
    """Dense indexes (n,) of items.

    Args:
        champion: whose indexes.
        item_ids: of the request.
        field: where they stand in the request, with {} for the place where there are several.

    Raises:
        Problem: 404, the catalogue lacks one; its place in the request is named.
    """
    ids = list(item_ids)
    indexes = champion.log.item_ids.indexes(ids)
    missing = np.flatnonzero((indexes < 0) | ~champion.listed[indexes])
    if len(missing):
        errors = tuple(
            FieldError(
                field=field.format(place), message=f"The catalogue has no item {ids[place]!r}."
            )
            for place in missing[:MOST_ERRORS].tolist()
        )
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"The catalogue has no item {ids[missing[0]]!r}; GET /v1/items lists those there are.",
            errors,
        )
    return indexes


def of_catalogue(champion: Champion, item_ids: Sequence[str]) -> tuple[Ints, list[str]]:
    """Dense indexes (n,) of items, -1 for unknown ones, and the ids of those."""
    indexes = champion.log.item_ids.indexes(item_ids)
    indexes = np.where((indexes >= 0) & champion.listed[indexes], indexes, -1).astype(np.int32)
    unknown = (name for name, item in zip(item_ids, indexes, strict=True) if item < 0)
    return indexes, list(dict.fromkeys(unknown))


def may_be_shown(champion: Champion, categories: Sequence[str], *without: Ints) -> Bools:
    """Which items (n_items,) of any of the categories are listed and not left out.

    Args:
        champion: whose catalogue.
        categories: of all by default.
        without: dense indexes (n,) of what is left out; -1 is no item.

    Raises:
        Problem: 404, no item is in a category.
    """
    allowed = champion.listed.copy()
    if categories:
        inside = np.zeros(len(allowed), dtype=bool)
        for name in categories:
            inside |= _of_category(champion, name)
        allowed &= inside
    for items in without:
        allowed[items[items >= 0]] = False
    return allowed


def _of_category(champion: Champion, name: str) -> Bools:
    inside = champion.items_in(name)
    if not inside.any():
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"No item is in the category {name!r}; leave it out, or take one that the items of "
            "GET /v1/items have.",
            (FieldError(field="category", message=f"There is no category {name!r}."),),
        )
    return inside


def next_page(begin: Cursor, after: str | None, field: str) -> Cursor:
    """Where a list goes on.

    Raises:
        Problem: 422, the token is none of this list.
    """
    try:
        return begin.at(after)
    except CursorError as error:
        raise unusable(field, str(error)) from error


def found_items(champion: Champion, matches: Sequence[Match], unknown: Sequence[str]) -> Found:
    """The answer to a search with these matches, best first, and these unknown ids."""
    rows = [
        FoundItem.model_validate(
            {
                **item_facts(champion, match.item),
                "rank": rank,
                "score": match.score,
                "cosines": match.cosines,
            }
        )
        for rank, match in enumerate(matches, start=1)
    ]
    return Found(model_version=champion.version, items=rows, unknown_items=list(unknown))


def instant(timestamp: datetime | None, field: str) -> int:
    """UTC microseconds; now if the caller names no time.

    Raises:
        Problem: 422, the time lies before 1970 or in the future.
    """
    try:
        return event_instant(timestamp)
    except ValueError as error:
        raise unusable(field, str(error)) from error


def unusable(field: str, message: str) -> Problem:
    """A 422 about one field."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{field}: {message}",
        (FieldError(field=field, message=message),),
    )


def item_facts(champion: Champion, item: int) -> dict[str, object]:
    """The fields of an `ItemAnswer`, for the model that they are to be part of."""
    return {
        "item_id": champion.log.item_ids.ids[item],
        "title": str(champion.titles[item]),
        "categories": list(champion.categories[item]),
        "media": [name for name, files in champion.files.items() if item in files],
    }
