"""The catalogue as apps change it: acknowledged once it is on the disk, and in force at once."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Literal

import numpy as np
import polars as pl
from fastapi import Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from crossmodal.item_log import ItemExistsError, ItemGoneError, ItemUnknownError
from crossmodal.item_puts import PutDiffersError, PutKey
from crossmodal.logged_items import Description, Vector
from crossmodal.modalities import MediaKind
from crossmodal.store_errors import reason
from models.data import Floats
from models.encoders.item_text import encode_items
from serving.guarded import v1_router
from serving.problems import FieldError, Problem, problem_responses, unavailable
from serving.routes.asking import Asked, InUse, instant, item_facts
from serving.schemas import ItemDescription, ItemId, ItemStored
from serving.service import Service

router = v1_router("catalogue", "items", 422, 503)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_A_FILE = {
    "requestBody": {
        "required": True,
        "description": "The file itself; its bytes say what it is, and its type is not read.",
        "content": {"image/*": _BINARY, "audio/*": _BINARY, "application/octet-stream": _BINARY},
    }
}


@router.put(
    "/items/{item_id:path}/media/{modality}",
    responses=problem_responses(404, 409, 415),
    openapi_extra=_A_FILE,
)
async def put_media(
    service: Asked,
    champion: InUse,
    item_id: Annotated[ItemId, Path()],
    modality: Annotated[MediaKind, Path(description="Picture or sound.")],
    request: Request,
) -> ItemStored:
    """Gives an item a picture or sound, in place of the one it has."""
    data = await request.body()
    return await run_in_threadpool(_put_media, service, item_id, modality, data)


@router.put(
    "/items/{item_id:path}",
    responses={201: {"model": ItemStored, "description": "New"}, **problem_responses(409)},
)
def put_item(
    service: Asked,
    champion: InUse,
    item_id: Annotated[ItemId, Path()],
    description: ItemDescription,
    response: Response,
    if_none_match: Annotated[
        Literal["*"] | None,
        Header(description="Puts the item only where there is none of this id."),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=128,
            description="A random text, another one for each put. Sent again with the same key, a "
            "put that was taken changes nothing and is answered as before.",
            examples=["5b1d6f7c9a2e4f0d8c3b7a6e5d4c3b2a"],
        ),
    ] = None,
) -> ItemStored:
    """Puts an item into the catalogue, or describes it again; its picture and sound stay.

    It is found by search and may be recommended at once. An item that was deleted comes back.
    """
    described = Description(
        description.title,
        description.text,
        tuple(description.categories),
        instant(description.created_at, "body.created_at"),
        description.attributes,
    )
    vector = Vector(service.new_items.fingerprints["text"], _text(service, description).tobytes())
    with _refusals("path.item_id"):
        created = service.items.put(
            item_id,
            described,
            vector,
            known=_in_catalogue(service, item_id),
            only_new=if_none_match == "*",
            key=_put_key(idempotency_key, description, if_none_match),
        )
    response.status_code = HTTPStatus.CREATED if created else HTTPStatus.OK
    return _stored(service, item_id, created)


@router.delete(
    "/items/{item_id:path}", status_code=HTTPStatus.NO_CONTENT, responses=problem_responses(404)
)
def delete_item(service: Asked, champion: InUse, item_id: Annotated[ItemId, Path()]) -> None:
    """Deletes an item with the picture and sound it was given: it is answered no more."""
    with _refusals("path.item_id", unknown="Nothing was deleted: look the id up by a search."):
        service.items.delete(item_id, known=_in_catalogue(service, item_id))
    service.champion()


def _put_media(service: Service, item_id: str, kind: MediaKind, data: bytes) -> ItemStored:
    known = _in_catalogue(service, item_id)
    with service.metrics.stage(f"{kind} encoder"):
        read = service.uploads.read(kind, data, "body")
    fingerprints = service.new_items.fingerprints
    vectors = {
        name: Vector(fingerprints[name], features.tobytes())
        for name, features in read.features.items()
    }
    with _refusals("path.item_id"):
        service.items.put_media(item_id, kind, read.mime, data, vectors, known=known)
    return _stored(service, item_id, created=False)


def _put_key(key: str | None, description: ItemDescription, condition: str | None) -> PutKey | None:
    if key is None:
        return None
    # Without numbers a put is known as it was by the version that did not take any.
    unsaid = None if description.attributes else {"attributes"}
    content = f"{condition} {description.model_dump_json(exclude=unsaid)}".encode()
    return PutKey(key, hashlib.blake2b(content, digest_size=16).hexdigest())


def _text(service: Service, description: ItemDescription) -> Floats:
    """Features (2d,) of an item's words."""
    row = {
        "title": description.title,
        "categories": description.categories,
        "text": description.text,
    }
    schema = pl.Schema(
        {"title": pl.String(), "categories": pl.List(pl.String()), "text": pl.String()}
    )
    with service.metrics.stage("text encoder"):
        features = encode_items(pl.DataFrame([row], schema=schema), service.text_encoder)
    return np.ascontiguousarray(features[0])


def _in_catalogue(service: Service, item_id: str) -> bool:
    """Whether the last run's catalogue has an item, whatever apps have done to it since."""
    base = service.champions.current
    place = base.log.item_ids.index_of.get(item_id)
    return place is not None and bool(base.listed[place])


def _stored(service: Service, item_id: str, created: bool) -> ItemStored:
    champion = service.champion()
    place = champion.log.item_ids.index_of.get(item_id)
    return ItemStored.model_validate(
        {
            "item_id": item_id,
            "created": created,
            "media": [] if place is None else item_facts(champion, place)["media"],
            "scored_by": "neighbours" if place in champion.neighbours_score else "champion",
        }
    )


@contextmanager
def _refusals(field: str, unknown: str = "PUT /v1/items/ with its id first.") -> Iterator[None]:
    """What the log refuses, as problems.

    Args:
        field: that is at fault.
        unknown: the way out where there is no such item.
    """
    try:
        yield
    except ItemUnknownError as error:
        message = f"{error} {unknown}"
        raise _refused(HTTPStatus.NOT_FOUND, message, field) from error
    except ItemGoneError as error:
        message = f"{error} PUT /v1/items/ with its id to bring it back."
        raise _refused(HTTPStatus.CONFLICT, message, field) from error
    except ItemExistsError as error:
        message = f"{error} Leave out If-None-Match to change it."
        raise _refused(HTTPStatus.CONFLICT, message, field) from error
    except PutDiffersError as error:
        message = f"{error} Take another key for each put."
        raise _refused(
            HTTPStatus.UNPROCESSABLE_ENTITY, message, "header.idempotency-key"
        ) from error
    except (sqlite3.Error, OSError) as error:
        detail = f"The change could not be written, and was not made: {reason(error)}."
        raise unavailable(detail, error) from error


def _refused(status: int, message: str, field: str) -> Problem:
    return Problem(status, message, (FieldError(field=field, message=message),))
