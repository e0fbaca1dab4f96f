"""Models over items that came after their fit: those with content, and those with neighbours."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from users_with_tastes import N_ITEMS, N_KINDS, N_USERS, newcomers, tastes

from models.baselines import EASE, ColdStartMap, Content, ContentPopularity
from models.data import Histories
from models.explaining import Explains, ExplainsScores
from models.mmnn import MMNN, MMNNConfig
from models.neighbours import ByNeighbours, Neighbourhood
from models.protocol import Extendable, Recommender, Trainable

FAMILIES: dict[str, Callable[[], Extendable]] = {
    "mmnn": lambda: MMNN(MMNNConfig(dim=16, components=6, epochs=6)),
    "mmnn of scores": lambda: MMNN(
        MMNNConfig(dim=16, components=6, epochs=6, fusion_level="model")
    ),
    "cold_start_map": ColdStartMap,
    "content_popularity": ContentPopularity,
    "content": Content,
}


DATA = tastes()


@cache
def fitted(family: str) -> Extendable:
    """A model of the family, fitted once: to extend it leaves it as it is."""
    return FAMILIES[family]().fit(DATA)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_item_is_judged_by_what_it_is_and_nothing_else_changes(
    family: str, tmp_path: Path
) -> None:
    model = fitted(family)
    users = DATA.histories()
    before = model.score(users)
    tokens, places = newcomers()
    extended = model.extended(tokens, places)
    after = extended.score(users)
    assert after.shape == (N_USERS, N_ITEMS + 3)
    others = np.setdiff1d(np.arange(N_ITEMS), places)
    with_it = [4 in users.rows(user, user + 1).items for user in range(N_USERS)]
    apart = np.ix_(~np.array(with_it), others)
    assert np.allclose(after[apart], before[apart], atol=1e-5)
    assert np.array_equal(model.score(users), before), "the model itself stays as it is"
    some = np.array([N_ITEMS + 1, 4, 7], dtype=np.int32)
    assert np.allclose(extended.score(users, some), after[:, some], atol=1e-5)
    if family != "content_popularity":
        for kind in range(N_KINDS):
            of_kind = after[kind::N_KINDS, N_ITEMS:].mean(axis=0)
            assert of_kind.argmax() == kind, "users of a kind like the new item of that kind most"
    ranking = extended.recommend(users, N_ITEMS + 3)
    assert sorted(ranking.items[0].tolist()) == list(range(N_ITEMS + 3))


@pytest.mark.parametrize("family", ["mmnn", "mmnn of scores", "cold_start_map", "content"])
def test_an_event_on_a_new_item_counts(family: str) -> None:
    extended = fitted(family).extended(*newcomers())
    for kind in range(N_KINDS):
        one = Histories(
            np.array([0, 1]),
            np.array([N_ITEMS + kind], dtype=np.int32),
            np.ones(1, dtype=np.float32),
            np.full(1, 10**9),
            np.array([-1], dtype=np.int32),
        )
        scores = extended.score(one)[0, : N_ITEMS // N_KINDS * N_KINDS]
        means = [scores[of::N_KINDS].mean() for of in range(N_KINDS)]
        assert int(np.argmax(means)) == kind


def test_an_mmnn_says_why_a_new_item_is_there() -> None:
    extended = fitted("mmnn").extended(*newcomers())
    assert isinstance(extended, Explains)
    asked = np.array([[N_ITEMS, 2], [N_ITEMS + 2, N_ITEMS + 1]], dtype=np.int32)
    told = extended.explain(DATA.histories(np.arange(2, dtype=np.int32)), asked)
    assert told.shares.shape == (2, 2, 3) and told.past_items.shape == (2, 2, 3)
    no_picture = told.shares[1, 0, told.parts.index("image")]
    assert no_picture == 0
    assert not told.shares[..., told.parts.index("behaviour")][0, 0], "nobody has touched it"
    assert not isinstance(extended, Trainable), "it learns nothing and cannot be kept"


@pytest.mark.parametrize("family", ["mmnn", "mmnn of scores"])
def test_users_read_once_are_scored_and_told_the_same_with_new_items(family: str) -> None:
    tokens, places = newcomers()
    extended = fitted(family).extended(tokens, places)
    assert isinstance(extended, ExplainsScores)
    users = DATA.histories()
    scores, explain = extended.score_to_explain(users)
    assert np.allclose(scores, extended.score(users), atol=1e-5)
    shown = np.repeat(places[None], len(users), axis=0)
    assert np.allclose(explain(shown).shares, extended.explain(users, shown).shares, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_of_another_width_are_left_out(family: str) -> None:
    model = fitted(family)
    tokens, places = newcomers()
    wide = replace(tokens["text"], features=np.ones((4, N_KINDS + 1), dtype=np.float32))
    found = model.extended({"text": wide, "image": tokens["image"]}, places)
    alone = model.extended({"image": tokens["image"]}, places)
    assert np.array_equal(found.score(DATA.histories()), alone.score(DATA.histories()))


def test_what_cannot_read_content_asks_the_neighbours() -> None:
    model: Recommender = EASE().fit(DATA)
    ties = np.arange(N_ITEMS, dtype=np.int32)
    near = Neighbourhood(np.array([1, 4], dtype=np.int32), np.array([3, 1], dtype=np.float32))
    alone = Neighbourhood(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32))
    wrapped = ByNeighbours(model, [near, alone], ties)
    users = DATA.histories()
    before, after = model.score(users), wrapped.score(users)
    assert np.array_equal(after[:, :N_ITEMS], before)
    assert np.allclose(after[:, N_ITEMS], 0.75 * before[:, 1] + 0.25 * before[:, 4], atol=1e-6)
    assert np.all(np.isneginf(after[:, N_ITEMS + 1]))
    assert N_ITEMS + 1 not in wrapped.recommend(users, N_ITEMS + 2).items

    def did(item: int) -> Histories:
        one = np.array([item], dtype=np.int32)
        return Histories(np.array([0, 1]), one, np.ones(1, np.float32), np.zeros(1, np.int64), -one)

    assert np.array_equal(wrapped.score(did(N_ITEMS)), wrapped.score(did(1)))
