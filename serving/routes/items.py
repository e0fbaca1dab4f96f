"""Lists for everyone, similar items, and what the catalogue shows of them."""

import hashlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import FileResponse

from serving.champion import UNUSABLE, Champion
from serving.guarded import guarded
from serving.problems import FieldError, Problem, problem_responses
from serving.routes.asking import (
    Asked,
    InUse,
    found_items,
    item_facts,
    item_index,
    may_be_shown,
)
from serving.schemas import (
    Category,
    Count,
    Found,
    ItemAnswer,
    ItemFacts,
    ItemId,
    ItemList,
    Modality,
)
from serving.searching import nearest, queries_like

router = APIRouter(
    prefix="/v1",
    tags=["items"],
    route_class=guarded("read"),
    responses=problem_responses(404, 422, 503),
)
_TRENDING_DAYS = 30
_DAY = 86_400_000_000


@router.get("/items")
def items(
    champion: InUse,
    sort: Annotated[
        Literal["popular", "trending", "latest"],
        Query(description="Most events; most in the last 30 days of events; newest first."),
    ] = "popular",
    category: Annotated[Category, Query()] = None,
    k: Annotated[Count, Query()] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Items to skip.")] = 0,
) -> ItemList:
    """The same list for everyone, page by page."""
    allowed = np.flatnonzero(may_be_shown(champion, category))
    keys = _sort_keys(champion, sort)[allowed]
    order = allowed[np.lexsort((champion.ties[allowed], -keys))]
    page = order[offset : offset + k]
    return ItemList(
        model_version=champion.version,
        total=len(allowed),
        items=[ItemAnswer.model_validate(item_facts(champion, int(item))) for item in page],
    )


@router.get("/items/{item_id:path}/similar")
def similar(
    champion: InUse,
    item_id: Annotated[ItemId, Path()],
    k: Annotated[Count, Query()] = 20,
    modality: Annotated[
        Modality | None, Query(description="What to compare; all that the item has by default.")
    ] = None,
) -> Found:
    """Items that are near in the shared space."""
    item = item_index(champion, item_id, "path.item_id")
    queries = queries_like(champion, item)
    if modality is not None:
        if modality not in queries:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                f"The item has no {modality}; it has {', '.join(queries) or 'no modality'}.",
                (FieldError(field="query.modality", message="The item lacks it."),),
            )
        queries = {modality: queries[modality]}
    allowed = may_be_shown(champion, None, np.array([item], dtype=np.int32))
    return found_items(champion, nearest(champion, list(queries.values()), allowed, k))


@router.get(
    "/items/{item_id:path}/media/{modality}",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/*": {}, "audio/*": {}}, "description": "The file itself."},
        304: {"description": "The caller has the file already."},
    },
)
def media(
    champion: InUse,
    item_id: Annotated[ItemId, Path()],
    modality: Annotated[Literal["image", "audio"], Path(description="Picture or sound.")],
    if_none_match: Annotated[
        str | None,
        Header(
            description="ETags of earlier answers: 304 while one of them holds.",
            examples=['"5f3a"'],
        ),
    ] = None,
) -> Response:
    """An item's picture or sound, as the catalogue's source has it."""
    file = champion.files[modality].get(item_index(champion, item_id, "path.item_id"))
    path = None if file is None else file.path()
    if file is None or path is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"The item has no {modality}.",
            (FieldError(field="path.modality", message="The item lacks it."),),
        )
    facts = path.stat()
    told = f"{file.uri} {facts.st_mtime_ns} {facts.st_size}".encode()
    headers = {
        "X-Content-Type-Options": "nosniff",
        # Kept, and asked about each time: what was put in its place shows at once.
        "Cache-Control": "private, no-cache",
        "ETag": f'"{hashlib.blake2b(told, digest_size=16).hexdigest()}"',
    }
    had = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    if had & {"*", headers["ETag"]}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return FileResponse(path, media_type=file.mime, headers=headers)


@router.get("/items/{item_id:path}")
def one_item(service: Asked, champion: InUse, item_id: Annotated[ItemId, Path()]) -> ItemFacts:
    """What is known of one item; one that was deleted is not found."""
    item = item_index(champion, item_id, "path.item_id")
    created_at = int(champion.created_at[item])
    try:
        said = service.said_of(item_id)
    except UNUSABLE as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The catalogue cannot be read at the moment: {error}",
            headers={"Retry-After": "5"},
        ) from error
    return ItemFacts.model_validate(
        {
            **item_facts(champion, item),
            "text": said.text,
            "attributes": said.attributes,
            "modalities": list(queries_like(champion, item)),
            "created_at": datetime.fromtimestamp(created_at / 1e6, UTC) if created_at else None,
        }
    )


def _sort_keys(champion: Champion, sort: str) -> np.ndarray:
    """What items (n_items,) are sorted by, the largest first."""
    events, n_items = champion.log.events, len(champion.listed)
    if sort == "latest":
        return champion.created_at
    if sort == "popular":
        return champion.popularity
    newest = events.timestamps.max(initial=0)
    counted = events.items[events.timestamps > newest - _TRENDING_DAYS * _DAY]
    return np.bincount(counted, minlength=n_items)
