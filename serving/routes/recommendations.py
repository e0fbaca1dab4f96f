"""Lists for a user, for someone without an account, and an app's own candidates in order."""

import secrets
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query

from models.data import Histories
from serving.champion import Champion
from serving.histories import guest_history
from serving.problems import problem_responses
from serving.recommending import Ranked, rank_given, recommend
from serving.routes.asking import Asked, InUse, item_facts, item_indexes, may_be_shown
from serving.schemas import (
    Count,
    Diversity,
    RankedItem,
    RankRequest,
    ReasonAnswer,
    RecommendationRequest,
    Recommendations,
    UserId,
)

router = APIRouter(prefix="/v1", tags=["recommendations"], responses=problem_responses(422, 503))


@router.get("/users/{user_id:path}/recommendations")
def recommendations_of_user(
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
    state = service.state_of(champion, user_id)
    left_out = state.seen if exclude_seen else state.hidden
    allowed = may_be_shown(champion, category, left_out)
    with service.metrics.stage("ranking"):
        found = recommend(champion, state.history, allowed, k, diversity)
    return _answer(champion, found, state.history)


@router.post("/recommendations", responses=problem_responses(404))
def recommendations_of_guest(
    service: Asked, champion: InUse, asked: RecommendationRequest
) -> Recommendations:
    """The best items for someone without an account, whose history comes with the request."""
    items = item_indexes(
        champion, [event.item_id for event in asked.history], "body.history.{}.item_id"
    )
    history = guest_history(champion, items, [event.value for event in asked.history])
    left_out = champion.log.item_ids.indexes(asked.exclude)
    allowed = may_be_shown(champion, asked.category, items, left_out[left_out >= 0])
    with service.metrics.stage("ranking"):
        found = recommend(champion, history, allowed, asked.k, asked.diversity)
    return _answer(champion, found, history)


@router.post("/rank", responses=problem_responses(404))
def rank(service: Asked, champion: InUse, asked: RankRequest) -> Recommendations:
    """An app's own candidates in the order that suits a user; each is answered once."""
    items = item_indexes(champion, dict.fromkeys(asked.items), "body.items.{}")
    nobody, user_id = Histories.empty(), asked.user_id
    history = nobody if user_id is None else service.state_of(champion, user_id).history
    with service.metrics.stage("ranking"):
        found = rank_given(champion, history, items)
    return _answer(champion, found, history)


def _answer(champion: Champion, found: Sequence[Ranked], history: Histories) -> Recommendations:
    return Recommendations(
        request_id=secrets.token_hex(12),
        model_version=champion.version,
        path="champion",
        known_user=bool(np.any(history.lengths)),
        items=[_row(champion, rank, one) for rank, one in enumerate(found, start=1)],
    )


def _row(champion: Champion, rank: int, one: Ranked) -> RankedItem:
    reason = ReasonAnswer(
        sentence=one.reason.sentence,
        modality_shares=one.reason.shares,
        past_items=list(one.reason.past_items),
    )
    return RankedItem.model_validate(
        {**item_facts(champion, one.item), "rank": rank, "score": one.score, "reason": reason}
    )
