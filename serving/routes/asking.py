"""What several routes ask of the service, and how it says that it cannot answer."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import Depends, Request

from models.data import Bools, Ints
from serving.champion import Champion, NoChampionError
from serving.problems import FieldError, Problem
from serving.service import Service

_MOST_ERRORS = 20


# Coroutines, since FastAPI hands every other dependency to a thread, which costs more than they do.
async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _champion(service: Annotated[Service, Depends(_service)]) -> Champion:
    try:
        return service.champions.current
    except NoChampionError as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "5"}
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
        field: where they stand, with {} for their place where there are several.

    Raises:
        Problem: 404, the catalogue lacks one; its place in the request is named.
    """
    ids = list(item_ids)
    found = champion.log.item_ids.indexes(ids)
    missing = np.flatnonzero((found < 0) | ~champion.listed[found])
    if len(missing):
        errors = tuple(
            FieldError(
                field=field.format(place), message=f"The catalogue has no item {ids[place]!r}."
            )
            for place in missing[:_MOST_ERRORS].tolist()
        )
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"The catalogue has no item {ids[missing[0]]!r}; GET /v1/items lists those there are.",
            errors,
        )
    return found


def may_be_shown(champion: Champion, category: str | None, *without: Ints) -> Bools:
    """Which items (n_items,) of a category, of all by default, are listed and not left out.

    Raises:
        Problem: 422, no item is in the category.
    """
    allowed = champion.listed.copy()
    if category is not None:
        inside = champion.items_in(category)
        if not inside.any():
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"No item is in the category {category!r}; leave it out, or take one that the "
                "items of GET /v1/items have.",
                (FieldError(field="category", message="There is no such category."),),
            )
        allowed &= inside
    for items in without:
        allowed[items] = False
    return allowed


def item_facts(champion: Champion, item: int) -> dict[str, object]:
    """The fields of an `ItemAnswer`, for the model that they are to be part of."""
    return {
        "item_id": champion.log.item_ids.ids[item],
        "title": str(champion.titles[item]),
        "categories": list(champion.categories[item]),
        "media": [name for name, files in champion.files.items() if item in files],
    }
