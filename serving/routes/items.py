"""Lists for everyone, similar items, and what the catalogue shows of them."""

import hashlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Literal

import numpy as np
from fastapi import Header, Path, Query, Response
from fastapi.responses import FileResponse

from crossmodal.modalities import MediaKind
from models.data import Ints
from serving.champion import UNUSABLE, Champion
from serving.cursors import MOST_SHOWN, Cursor
from serving.guarded import v1_router
from serving.live_choices import LiveChoices
from serving.problems import FieldError, Problem, unavailable
from serving.routes.asking import (
    Asked,
    InUse,
    found_items,
    item_facts,
    item_index,
    may_be_shown,
    next_page,
    of_catalogue,
    unusable,
)
from serving.schemas import (
    After,
    Categories,
    Count,
    Exclude,
    Found,
    ItemAnswer,
    ItemFacts,
    ItemId,
    ItemList,
    Modality,
)
from serving.searching import nearest, queries_like

router = v1_router("items", "read", 404, 422, 503)
_TRENDING_DAYS = 30
_DAY = 86_400_000_000


@router.get("/items")
def items(
    service: Asked,
    champion: InUse,
    sort: Annotated[
        Literal["popular", "trending", "latest"],
        Query(description="Most events; most in the last 30 days of events; newest first."),
    ] = "popular",
    category: Annotated[Categories, Query()] = (),
    exclude: Annotated[Exclude, Query()] = (),
    k: Annotated[Count, Query()] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Items to skip.")] = 0,
    after: Annotated[After, Query()] = None,
) -> ItemList:
    """The same list for everyone, page by page.

    Pages by `offset` are pages of the list as it is when each is asked for; those by `after` repeat
    nothing, whatever happens between them, and go on after a page by `offset` too.
    """
    if after is not None and offset:
        raise unusable("query.offset", "A page is asked for by after or by offset, not by both.")
    begin = Cursor.begin("items", sort, sorted(category))
    shown = next_page(begin, after, "query.after")
    excluded, unknown = of_catalogue(champion, exclude)
    allowed = np.flatnonzero(may_be_shown(champion, category, excluded))
    keys, as_of = _sort_keys(champion, service.choices, sort)
    keys = keys[allowed]
    order = allowed[np.lexsort((champion.ties[allowed], -keys))].astype(np.int32)
    page = _page(champion, order[offset:], shown, k)
    rows = [ItemAnswer.model_validate(item_facts(champion, int(item))) for item in page]
    further = shown.beyond([*_skipped(champion, order, offset), *(row.item_id for row in rows)])
    return ItemList(
        model_version=champion.version,
        total=len(allowed),
        as_of=as_of,
        items=rows,
        after=further.token() if len(rows) == k else None,
        unknown_items=unknown,
    )


@router.get("/items/{item_id:path}/similar")
def similar(
    champion: InUse,
    item_id: Annotated[ItemId, Path()],
    k: Annotated[Count, Query()] = 20,
    modality: Annotated[
        Modality | None, Query(description="What to compare; all that the item has by default.")
    ] = None,
    category: Annotated[Categories, Query()] = (),
    exclude: Annotated[Exclude, Query()] = (),
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
    excluded, unknown = of_catalogue(champion, exclude)
    itself = np.array([item], dtype=np.int32)
    allowed = may_be_shown(champion, category, excluded, itself)
    return found_items(champion, nearest(champion, list(queries.values()), allowed, k), unknown)


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
    modality: Annotated[MediaKind, Path(description="Picture or sound.")],
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
    identity = f"{file.uri} {facts.st_mtime_ns} {facts.st_size}".encode()
    headers = {
        "X-Content-Type-Options": "nosniff",
        # Kept, and asked about each time: what was put in its place shows at once.
        "Cache-Control": "private, no-cache",
        "ETag": f'"{hashlib.blake2b(identity, digest_size=16).hexdigest()}"',
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
        words = service.said_of(item_id)
    except UNUSABLE as error:
        raise unavailable("The catalogue cannot be read now.", error) from error
    return ItemFacts.model_validate(
        {
            **item_facts(champion, item),
            "text": words.text,
            "attributes": words.attributes,
            "modalities": list(queries_like(champion, item)),
            "created_at": datetime.fromtimestamp(created_at / 1e6, UTC) if created_at else None,
        }
    )


def _skipped(champion: Champion, order: Ints, offset: int) -> list[str]:
    """Ids of what an offset leaves out, which no later page is to show; past the most, no more."""
    return [champion.log.item_ids.ids[item] for item in order[: min(offset, MOST_SHOWN)]]


def _page(champion: Champion, order: Ints, shown: Cursor, k: int) -> Ints:
    """The first k of the items (n,) that were not shown."""
    # Of so many, so many at most were shown.
    first = order[: k + len(shown.marks)]
    ids = [champion.log.item_ids.ids[item] for item in first]
    return first[shown.unseen(ids)][: shown.room(k)]


def _sort_keys(
    champion: Champion, choices: LiveChoices, sort: str
) -> tuple[np.ndarray, datetime | None]:
    """What items (n_items,) are sorted by, the largest first, and the newest event that counts."""
    if sort == "latest":
        return champion.created_at, None
    live, events = choices.of(champion), champion.log.events
    newest = max(events.timestamps.max(initial=0), live.timestamps.max(initial=0))
    since = newest - _TRENDING_DAYS * _DAY if sort == "trending" else 0
    # The lake's own are counted once a champion.
    if sort == "popular":
        counts = champion.popularity
    else:
        counts = champion.counts_of(events.items[events.timestamps > since])
    counts = counts + champion.counts_of(live.items[live.timestamps > since])
    return counts, datetime.fromtimestamp(newest / 1_000_000, UTC) if newest else None
