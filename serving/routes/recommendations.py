"""Lists for a user, for someone without an account, and an app's own candidates in order."""

import secrets
from collections.abc import Callable, Collection
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Path, Query

from serving.champion import Champion
from serving.histories import UserState, guest_history
from serving.making import ListInMaking
from serving.problems import problem_responses
from serving.recommending import Ranked
from serving.routes.asking import Asked, InUse, item_facts, item_indexes, may_be_shown
from serving.schemas import (
    Count,
    Diversity,
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


@router.get("/users/{user_id:path}/recommendations")
async def recommendations_of_user(
    service: Asked,
    champion: InUse,
    user_id: Annotated[UserId, Path()],
    k: Annotated[Count, Query()] = 20,
    diversity: Annotated[Diversity, Query()] = 0.0,
    category: Annotated[str | None, Query(max_length=256, description="Only items in it.")] = None,
    exclude_seen: Annotated[
        bool, Query(description="Leave out what the user had to do with; hidden items always are.")
    ] = True,
) -> Recommendations:
    """The best items for a user. Nobody need be registered: a newcomer gets a newcomer's list."""
    making = ListInMaking(champion, may_be_shown(champion, category), k, diversity)

    def know(state: UserState) -> None:
        making.know(state.history, state.seen if exclude_seen else state.hidden)

    missed = await _walk(service, champion, user_id, making, know)
    if not making.ranked:
        stored = Step("features", lambda: making.take(service.stored_list_of(champion, user_id)))
        missed += await service.feature_stages.walk([stored])
    return _answer(service, champion, making, missed)


@router.post("/recommendations")
async def recommendations_of_guest(
    service: Asked, champion: InUse, asked: RecommendationRequest
) -> Recommendations:
    """The best items for someone without an account, whose history comes with the request."""
    items = item_indexes(
        champion, [event.item_id for event in asked.history], "body.history.{}.item_id"
    )
    making = ListInMaking(
        champion, may_be_shown(champion, asked.category), asked.k, asked.diversity
    )
    left_out = champion.log.item_ids.indexes(asked.exclude)
    values = [event.value for event in asked.history]
    making.know(guest_history(champion, items, values), items, left_out[left_out >= 0])
    return _answer(service, champion, making, await service.stages.walk(making.steps()))


@router.post("/rank")
async def rank(service: Asked, champion: InUse, asked: RankRequest) -> Recommendations:
    """An app's own candidates in the order that suits a user; each is answered once."""
    items = item_indexes(champion, dict.fromkeys(asked.items), "body.items.{}")
    making = ListInMaking(champion, champion.listed, len(items), given=items)
    if asked.user_id is None:
        return _answer(service, champion, making, await service.stages.walk(making.steps()))

    def know(state: UserState) -> None:
        making.know(state.history)

    missed = await _walk(service, champion, asked.user_id, making, know)
    return _answer(service, champion, making, missed)


async def _walk(
    service: Service,
    champion: Champion,
    user_id: str,
    making: ListInMaking,
    know: Callable[[UserState], None],
) -> tuple[StageName, ...]:
    """Makes a user's list; returns the stages that were missed."""
    state = Step(
        "user state",
        lambda: know(service.state_of(champion, user_id)),
        otherwise=lambda: know(service.remembered_state_of(champion, user_id)),
    )
    return await service.stages.walk([state, *making.steps()])


def _answer(
    service: Service, champion: Champion, making: ListInMaking, missed: Collection[StageName]
) -> Recommendations:
    path: Literal["champion", "fallback"] = "fallback" if missed else "champion"
    service.metrics.answers.labels(path).inc()
    # Checked in one go, which costs a fraction of a check for each row.
    return Recommendations.model_validate(
        {
            "request_id": secrets.token_hex(12),
            "model_version": champion.version,
            "path": path,
            "known_user": bool(np.any(making.history.lengths)),
            "items": [_row(champion, rank, one) for rank, one in enumerate(making.answer(), 1)],
        }
    )


def _row(champion: Champion, rank: int, one: Ranked) -> dict[str, object]:
    """The fields of a `RankedItem`."""
    reason = {
        "sentence": one.reason.sentence,
        "modality_shares": one.reason.shares,
        "past_items": list(one.reason.past_items),
    }
    return {**item_facts(champion, one.item), "rank": rank, "score": one.score, "reason": reason}
