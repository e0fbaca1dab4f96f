"""Lists for a user, for someone without an account, and an app's own candidates in order."""

import json
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import Path, Query, Response

from crossmodal.answer_ids import answer_id
from serving.champion import Champion
from serving.cursors import Cursor
from serving.guarded import v1_router
from serving.histories import UserState, guest_history
from serving.making import ListInMaking, NewPlaces
from serving.problems import Problem
from serving.recommending import Ranked
from serving.remembered_lists import Question
from serving.routes.asking import (
    Asked,
    InUse,
    item_facts,
    item_indexes,
    may_be_shown,
    next_page,
    of_catalogue,
)
from serving.schemas import (
    After,
    AnswerPath,
    Categories,
    Count,
    Diversity,
    Exclude,
    PlacesForNew,
    RankRequest,
    RecommendationRequest,
    Recommendations,
    UserId,
)
from serving.service import Service
from serving.stages import StageName, Step

router = v1_router("recommendations", "read", 404, 422, 503)


@dataclass(frozen=True)
class _Remarks:
    """What an answer says in addition to its list.

    Attributes:
        shown: what earlier pages have shown; None where there are no pages.
        k: items that were asked for.
        unknown: ids of the request that were passed over.
        repeated: ids of the request that stand in it several times.
    """

    shown: Cursor | None = None
    k: int = 0
    unknown: Sequence[str] = ()
    repeated: Sequence[str] = ()

    def after(self, item_ids: Sequence[str]) -> str | None:
        """What asks for the page after one of these items; None where it was the last."""
        if self.shown is None or len(item_ids) < self.k:
            return None
        return self.shown.beyond(item_ids).token()


@router.get("/users/{user_id:path}/recommendations", response_model=Recommendations)
async def recommendations_of_user(
    service: Asked,
    champion: InUse,
    user_id: Annotated[UserId, Path()],
    k: Annotated[Count, Query()] = 20,
    diversity: Annotated[Diversity, Query()] = 0.0,
    new_places: Annotated[PlacesForNew, Query()] = 0,
    category: Annotated[Categories, Query()] = (),
    exclude: Annotated[Exclude, Query()] = (),
    exclude_seen: Annotated[
        bool, Query(description="Leave out what the user had to do with; hidden items always are.")
    ] = True,
    after: Annotated[After, Query()] = None,
) -> Response:
    """The best items for a user. Nobody need be registered: a newcomer gets a newcomer's list."""
    wishes = (diversity, new_places, tuple(sorted(category)), exclude_seen)
    # Not of the user, since those of whom nothing is known share their lists.
    shown = next_page(Cursor.begin("user", *wishes), after, "query.after")
    # What is left out makes a list that hardly anybody asks for again; places for new items go by
    # impressions, which change lists without an act of the user.
    asked_again = not exclude and after is None and not new_places
    question = await _question(service, champion, user_id, (k, *wishes)) if asked_again else None
    if question and (known := service.lists.recall(champion, question)):
        service.metrics.remembered.inc()
        return _respond(service, champion, known, "champion")
    excluded, unknown = of_catalogue(champion, exclude)
    allowed, new = may_be_shown(champion, category, excluded), _new(service, new_places)
    making = ListInMaking(champion, allowed, k, diversity, new=new, shown=shown)

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
    written = _written(champion, making, path, _Remarks(shown, k, unknown))
    if question and not missed:
        service.lists.keep(champion, question, written)
    return _respond(service, champion, written, path)


@router.post("/recommendations", response_model=Recommendations)
async def recommendations_of_guest(
    service: Asked, champion: InUse, request: RecommendationRequest
) -> Response:
    """The best items for someone without an account, whose history comes with the request."""
    begin = Cursor.begin("guest", request.diversity, request.new_places, sorted(request.category))
    shown = next_page(begin, request.after, "body.after")
    # Browsers keep ids for years: one that the catalogue no longer has is ignored.
    past = [event.item_id for event in request.history]
    indexes, unknown = of_catalogue(champion, [*past, *request.exclude])
    events, excluded = indexes[: len(past)], indexes[len(past) :]
    making = ListInMaking(
        champion,
        may_be_shown(champion, request.category, excluded),
        request.k,
        request.diversity,
        new=_new(service, request.new_places),
        shown=shown,
    )
    items = events[events >= 0]
    values = [event.value for event, item in zip(request.history, events, strict=True) if item >= 0]
    making.know(guest_history(champion, items, values), items)
    missed = await service.stages.walk(making.steps())
    return _answer(service, champion, making, missed, _Remarks(shown, request.k, unknown))


@router.post("/rank", response_model=Recommendations)
async def rank(service: Asked, champion: InUse, request: RankRequest) -> Response:
    """An app's own candidates in the order that suits a user; each is answered once."""
    items = item_indexes(champion, request.items, "body.items.{}")
    items = items[np.sort(np.unique(items, return_index=True)[1])]
    remarks = _Remarks(repeated=[name for name, n in Counter(request.items).items() if n > 1])
    making = ListInMaking(champion, champion.listed, len(items), candidates=items)
    if request.user_id is None:
        return _answer(
            service, champion, making, await service.stages.walk(making.steps()), remarks
        )

    def know(state: UserState) -> None:
        making.know(state.history)

    user_id = request.user_id
    state = Step(
        "user state",
        lambda: service.state_of(champion, user_id),
        keep=know,
        otherwise=lambda: know(service.lake_state_of(champion, user_id)),
    )
    missed = await service.state_stages.walk([state])
    missed += await service.stages.walk(making.steps())
    return _answer(service, champion, making, missed, remarks)


def _new(service: Service, places: int) -> NewPlaces | None:
    return NewPlaces(places, service.events.impressions_of) if places else None


async def _question(
    service: Service, champion: Champion, user_id: str, wishes: tuple[Hashable, ...]
) -> Question | None:
    """What a user's list depends on; None where no list is remembered, or the log is late.

    It is read before the user's events are: a list may know of a later event than its question
    says, but never of fewer.
    """
    if not service.lists.remembers:
        return None
    last_events: list[int] = []
    read = Step("last event", lambda: service.last_event_of(user_id), keep=last_events.append)
    if await service.state_stages.walk([read]):
        return None
    name = service.pseudonym(user_id)
    nobody = not last_events[0] and name not in champion.log.user_ids.index_of
    return Question(None if nobody else name, last_events[0], wishes)


def _answer(
    service: Service,
    champion: Champion,
    making: ListInMaking,
    missed: Collection[StageName],
    remarks: _Remarks,
) -> Response:
    path = _path(missed)
    return _respond(service, champion, _written(champion, making, path, remarks), path)


def _path(missed: Collection[StageName]) -> AnswerPath:
    return "fallback" if missed else "champion"


def _respond(service: Service, champion: Champion, written: bytes, path: AnswerPath) -> Response:
    """What `_written` wrote, under an id of its own."""
    service.metrics.answers.labels(path).inc()
    name = json.dumps(answer_id(champion.version, path))
    named = b'{"request_id":%b,' % name.encode()
    return Response(named + written.removeprefix(b"{"), media_type="application/json")


def _written(
    champion: Champion, making: ListInMaking, path: AnswerPath, remarks: _Remarks
) -> bytes:
    """A `Recommendations` as JSON, without its id."""
    rows = [_row(champion, rank, ranked) for rank, ranked in enumerate(making.answer(), 1)]
    # Checked and written in one step, at a fraction of the cost of doing so row by row.
    answer = Recommendations.model_validate(
        {
            "request_id": "",
            "model_version": champion.version,
            "path": path,
            "known_user": bool(np.any(making.history.lengths)),
            "items": rows,
            "after": remarks.after([str(row["item_id"]) for row in rows]),
            "unknown_items": remarks.unknown,
            "repeated_items": remarks.repeated,
        }
    )
    return answer.model_dump_json(exclude={"request_id"}).encode()


def _row(champion: Champion, rank: int, ranked: Ranked) -> dict[str, object]:
    """The fields of a `RankedItem`."""
    reason = {
        "sentence": ranked.reason.sentence,
        "modality_shares": ranked.reason.shares,
        "past_items": list(ranked.reason.past_items),
    }
    return {
        **item_facts(champion, ranked.item),
        "rank": rank,
        "score": ranked.score,
        "reason": reason,
    }
