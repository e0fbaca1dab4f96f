"""Lists for a user, for someone without an account, and an app's own candidates in order."""

import secrets
from collections.abc import Collection, Hashable
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Response

from serving.champion import Champion
from serving.histories import UserState, guest_history
from serving.making import ListInMaking, NewPlaces
from serving.problems import Problem, problem_responses
from serving.recommending import Ranked
from serving.remembered_lists import Question
from serving.routes.asking import Asked, InUse, item_facts, item_indexes, may_be_shown
from serving.schemas import (
    AnswerPath,
    Category,
    Count,
    Diversity,
    PlacesForNew,
    RankRequest,
    RecommendationRequest,
    Recommendations,
    UserId,
)
from serving.service import Service
from serving.stages import StageName, Step

router = APIRouter(
    prefix="/v1", tags=["recommendations"], responses=problem_responses(404, 422, 503)
)


@router.get("/users/{user_id:path}/recommendations", response_model=Recommendations)
async def recommendations_of_user(
    service: Asked,
    champion: InUse,
    user_id: Annotated[UserId, Path()],
    k: Annotated[Count, Query()] = 20,
    diversity: Annotated[Diversity, Query()] = 0.0,
    new_places: Annotated[PlacesForNew, Query()] = 0,
    category: Annotated[Category, Query()] = None,
    exclude_seen: Annotated[
        bool, Query(description="Leave out what the user had to do with; hidden items always are.")
    ] = True,
) -> Response:
    """The best items for a user. Nobody need be registered: a newcomer gets a newcomer's list."""
    wishes = (k, diversity, new_places, category, exclude_seen)
    question = await _question(service, champion, user_id, wishes)
    if question and (known := service.lists.recall(champion, question)):
        service.metrics.remembered.inc()
        return _respond(service, known, "champion")
    allowed, new = may_be_shown(champion, category), _new(service, new_places)
    making = ListInMaking(champion, allowed, k, diversity, new=new)

    def know(state: UserState) -> None:
        making.know(state.history, state.seen if exclude_seen else state.hidden)

    state = Step("user state", lambda: service.state_of(champion, user_id), keep=know)
    if await service.state_stages.walk([state]):
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "What the user did cannot be read at the moment, and a list could show what they hid: "
            "ask again.",
            headers={"Retry-After": "1"},
        )
    missed = await service.stages.walk(making.steps())
    if not making.ranked:
        stored = Step(
            "features", lambda: service.stored_list_of(champion, user_id), keep=making.take
        )
        missed += await service.feature_stages.walk([stored])
    path = _path(missed)
    written = _written(champion, making, path)
    if question and not missed:
        service.lists.keep(champion, question, written)
    return _respond(service, written, path)


@router.post("/recommendations", response_model=Recommendations)
async def recommendations_of_guest(
    service: Asked, champion: InUse, asked: RecommendationRequest
) -> Response:
    """The best items for someone without an account, whose history comes with the request."""
    found = champion.log.item_ids.indexes([event.item_id for event in asked.history])
    making = ListInMaking(
        champion,
        may_be_shown(champion, asked.category),
        asked.k,
        asked.diversity,
        new=_new(service, asked.new_places),
    )
    left_out = champion.log.item_ids.indexes(asked.exclude)
    # Browsers keep ids for years: one that the catalogue no longer has says nothing.
    items = found[found >= 0]
    values = [event.value for event, item in zip(asked.history, found, strict=True) if item >= 0]
    making.know(guest_history(champion, items, values), items, left_out[left_out >= 0])
    return _answer(service, champion, making, await service.stages.walk(making.steps()))


@router.post("/rank", response_model=Recommendations)
async def rank(service: Asked, champion: InUse, asked: RankRequest) -> Response:
    """An app's own candidates in the order that suits a user; each is answered once."""
    items = item_indexes(champion, asked.items, "body.items.{}")
    items = items[np.sort(np.unique(items, return_index=True)[1])]
    making = ListInMaking(champion, champion.listed, len(items), given=items)
    if asked.user_id is None:
        return _answer(service, champion, making, await service.stages.walk(making.steps()))

    def know(state: UserState) -> None:
        making.know(state.history)

    user_id = asked.user_id
    state = Step(
        "user state",
        lambda: service.state_of(champion, user_id),
        keep=know,
        otherwise=lambda: know(service.lake_state_of(champion, user_id)),
    )
    missed = await service.state_stages.walk([state])
    missed += await service.stages.walk(making.steps())
    return _answer(service, champion, making, missed)


def _new(service: Service, places: int) -> NewPlaces | None:
    return NewPlaces(places, service.events.impressions_of) if places else None


async def _question(
    service: Service, champion: Champion, user_id: str, wishes: tuple[Hashable, ...]
) -> Question | None:
    """What a user's list depends on; None where no list is remembered, or the log is late.

    It is read before what the user did is: a list may know of a later event than its question
    says, and then is not told again, but never of fewer.
    """
    if not service.lists.remembers:
        return None
    found: list[int] = []
    read = Step("last event", lambda: service.last_event_of(user_id), keep=found.append)
    if await service.state_stages.walk([read]):
        return None
    name = service.pseudonym(user_id)
    nobody = not found[0] and name not in champion.log.user_ids.index_of
    return Question(None if nobody else name, found[0], wishes)


def _answer(
    service: Service, champion: Champion, making: ListInMaking, missed: Collection[StageName]
) -> Response:
    path = _path(missed)
    return _respond(service, _written(champion, making, path), path)


def _path(missed: Collection[StageName]) -> AnswerPath:
    return "fallback" if missed else "champion"


def _respond(service: Service, written: bytes, path: AnswerPath) -> Response:
    """What `_written` wrote, under an id of its own."""
    service.metrics.answers.labels(path).inc()
    named = b'{"request_id":"%b",' % secrets.token_hex(12).encode()
    return Response(named + written.removeprefix(b"{"), media_type="application/json")


def _written(champion: Champion, making: ListInMaking, path: AnswerPath) -> bytes:
    """A `Recommendations` as JSON, without its id."""
    # Checked and written in one go, which costs a fraction of doing so row by row.
    found = Recommendations.model_validate(
        {
            "request_id": "",
            "model_version": champion.version,
            "path": path,
            "known_user": bool(np.any(making.history.lengths)),
            "items": [_row(champion, rank, one) for rank, one in enumerate(making.answer(), 1)],
        }
    )
    return found.model_dump_json(exclude={"request_id"}).encode()


def _row(champion: Champion, rank: int, one: Ranked) -> dict[str, object]:
    """The fields of a `RankedItem`."""
    reason = {
        "sentence": one.reason.sentence,
        "modality_shares": one.reason.shares,
        "past_items": list(one.reason.past_items),
    }
    return {**item_facts(champion, one.item), "rank": rank, "score": one.score, "reason": reason}
