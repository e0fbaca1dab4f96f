"""Models over items that came after their fit: those with content, and those with neighbours."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.baselines import EASE, ColdStartMap, Content, ContentPopularity
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.explaining import Explains
from models.mmnn import MMNN, MMNNConfig
from models.neighbours import ByNeighbours, Neighbourhood
from models.protocol import Extendable, Recommender

N_USERS, N_ITEMS, N_KINDS = 48, 36, 3

FAMILIES: dict[str, Callable[[], Extendable]] = {
    "mmnn": lambda: MMNN(MMNNConfig(dim=16, components=6, epochs=6)),
    "mmnn of scores": lambda: MMNN(
        MMNNConfig(dim=16, components=6, epochs=6, fusion_level="model")
    ),
    "cold_start_map": ColdStartMap,
    "content_popularity": ContentPopularity,
    "content": Content,
}


def table(kinds: np.ndarray, seed: int, items: np.ndarray | None = None) -> TokenTable:
    rng = np.random.default_rng(seed)
    own = np.arange(len(kinds), dtype=np.int32) if items is None else items
    features = np.eye(N_KINDS)[kinds[own]] + 0.05 * rng.standard_normal((len(own), N_KINDS))
    known_at = np.zeros(len(own), dtype=np.int64)
    return TokenTable(len(kinds), own, known_at, features.astype(np.float32))


def tastes() -> Dataset:
    """Users who like one of three kinds of items, which the text and the picture tell."""
    rng = np.random.default_rng(0)
    kinds = np.arange(N_ITEMS) % N_KINDS
    liked = [
        rng.permutation(np.flatnonzero(kinds == user % N_KINDS))[:6] for user in range(N_USERS)
    ]
    n = 6 * N_USERS
    events = Interactions(
        np.repeat(np.arange(N_USERS), 6).astype(np.int32),
        np.concatenate(liked).astype(np.int32),
        np.ones(n, dtype=np.float32),
        np.arange(n, dtype=np.int64) * 10**6,
    )
    last = np.arange(n) % 6 == 5
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(N_USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(N_ITEMS))),
        events.take(~last),
        events.take(last),
        {
            "text": table(kinds, 1),
            "image": table(kinds, 2, np.arange(0, N_ITEMS, 2, dtype=np.int32)),
        },
        np.zeros(((~last).sum(), 0), dtype=np.float32),
    )


DATA = tastes()


@cache
def fitted(family: str) -> Extendable:
    """A model of the family, fitted once: to extend it leaves it as it is."""
    return FAMILIES[family]().fit(DATA)


def newcomers() -> tuple[dict[str, TokenTable], np.ndarray]:
    """Item 4, which has become of kind 0, and three new ones, of each kind one."""
    kinds = np.array([0, 0, 1, 2])
    tokens = {"text": table(kinds, 3), "image": table(kinds, 4, np.array([1, 2], dtype=np.int32))}
    return tokens, np.array([4, N_ITEMS, N_ITEMS + 1, N_ITEMS + 2], dtype=np.int32)


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
    assert told.shares.shape == (2, 2, 2) and told.past_items.shape == (2, 2, 3)
    no_picture = told.shares[1, 0, told.modalities.index("image")]
    assert no_picture == 0
    with pytest.raises(TypeError, match="behind it"):
        extended.save(Path("nowhere"))


@pytest.mark.parametrize("family", ["mmnn", "mmnn of scores"])
def test_users_read_once_are_scored_and_told_the_same_with_new_items(family: str) -> None:
    tokens, places = newcomers()
    extended = fitted(family).extended(tokens, places)
    assert isinstance(extended, MMNN)
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
