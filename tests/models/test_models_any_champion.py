"""Whatever is champion can be asked for all that serving asks: lists, reasons, new items."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from users_with_tastes import N_ITEMS, N_KINDS, N_USERS, newcomers, tastes

from models.baselines import (
    ALS,
    EASE,
    ColdStartMap,
    Content,
    ItemKNN,
    Popularity,
    RecentPopularity,
    Transition,
)
from models.data import Histories, TokenTable
from models.explaining import Explains, Masks, explain, masks_of, scored
from models.gat import GAT, GATConfig
from models.mmnn import MMNN, MMNNConfig
from models.neighbours import ByNeighbours, Neighbourhood
from models.protocol import Extendable, Maskable, Recommender
from models.reasons import PLAIN, reasons
from models.transformer import Transformer, TransformerConfig

DATA = tastes()
COUNTING: dict[str, Callable[[], Recommender]] = {
    "item_knn": ItemKNN,
    "ease": EASE,
    "transition": Transition,
    "als": ALS,
}
FOR_EVERYONE: dict[str, Callable[[], Recommender]] = {
    "popularity": Popularity,
    "recent_popularity": RecentPopularity,
}
OF_CONTENT: dict[str, Callable[[], Recommender]] = {
    "content": Content,
    "cold_start_map": ColdStartMap,
}
NETWORKS: dict[str, Callable[[], Recommender]] = {
    "mmnn": partial(MMNN, MMNNConfig(dim=16, components=6, epochs=6)),
    "mmnn of scores": partial(
        MMNN, MMNNConfig(dim=16, components=6, epochs=6, fusion_level="model")
    ),
    "transformer": partial(
        Transformer, TransformerConfig(dim=16, heads=2, components=6, epochs=4, history=10)
    ),
    "gat": partial(GAT, GATConfig(dim=16, user_heads=2, epochs=6, components=6, neighbours=3)),
}
FAMILIES = {**COUNTING, **FOR_EVERYONE, **OF_CONTENT, **NETWORKS}
REASONS_OF_BEHAVIOUR = re.compile(f"{PLAIN}|what people who chose .* chose as well|goes with .*")
READS = list({**OF_CONTENT, **NETWORKS})


@dataclass(frozen=True)
class Champion:
    """A fitted model, and what its reasons need."""

    model: Recommender
    masks: Masks | None


@pytest.fixture(scope="module")
def champions() -> dict[str, Champion]:
    """Each is fitted when it is first asked for."""
    return {}


@pytest.fixture(scope="module")
def champion(request: pytest.FixtureRequest, champions: dict[str, Champion]) -> Champion:
    family = request.param
    if family not in champions:
        model = FAMILIES[family]().fit(DATA)
        champions[family] = Champion(model, masks_of(model, lambda: DATA.tokens))
    return champions[family]


def over(names: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("champion", names, indirect=True)


def history(items: list[int]) -> Histories:
    n = len(items)
    return Histories(
        np.array([0, n]),
        np.array(items, dtype=np.int32),
        np.ones(n, dtype=np.float32),
        (np.arange(n, dtype=np.int64) + 10**6) * 10**6,
        np.array([-1], dtype=np.int32),
    )


def hidden(item: int, modality: str) -> dict[str, TokenTable]:
    """The tokens as if one item lacked a modality."""
    alone = np.arange(N_ITEMS) == item
    return {**DATA.tokens, modality: DATA.tokens[modality].without(alone)}


histories = st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=12, unique=True)


@over(FAMILIES)
def test_every_list_has_reasons_whose_shares_sum_to_one(champion: Champion) -> None:
    users = DATA.histories()
    shown = champion.model.recommend(users, 4, exclude=users).items
    scores, explainer = scored(champion.model, users, champion.masks)
    why = explainer(shown)
    assert scores.shape == (N_USERS, N_ITEMS)
    assert why.shares.shape == (N_USERS, 4, len(why.parts))
    sums = why.shares.sum(axis=2)
    assert ((np.abs(sums - 1) < 1e-5) | (sums == 0)).all() and (sums > 0).mean() > 0.8
    assert (why.shares >= 0).all() and (why.moved >= 0).all()
    assert ((why.past_items >= 0) == (why.past_weights > 0)).all()
    for user in range(N_USERS):
        own = users.rows(user, user + 1).items
        assert set(why.past_items[user].ravel().tolist()) <= {-1, *own.tolist()}


@over(FAMILIES)
def test_where_there_is_no_item_or_no_history_there_is_no_past_item(champion: Champion) -> None:
    nothing = np.full((N_USERS, 2), -1, dtype=np.int32)
    why = explain(champion.model, DATA.histories(), nothing, champion.masks)
    assert not why.shares.any() and (why.past_items == -1).all()
    one = np.array([[3, 5]], dtype=np.int32)
    newcomer = explain(champion.model, Histories.empty(), one, champion.masks)
    assert (newcomer.past_items == -1).all() and newcomer.shares.shape[:2] == (1, 2)
    nobody = explain(champion.model, Histories.empty(0), one[:0], champion.masks)
    assert nobody.shares.shape == (0, 2, len(nobody.parts))


@pytest.mark.parametrize("family", [*COUNTING, *FOR_EVERYONE, "cold_start_map", "mmnn"])
def test_without_any_content_the_reasons_are_of_behaviour(family: str) -> None:
    bare = replace(DATA, tokens={})
    model = FAMILIES[family]().fit(bare)
    users = bare.histories()
    shown = model.recommend(users, 4, exclude=users).items
    masks = masks_of(model, lambda: bare.tokens)
    titles = np.array([f"item {place}" for place in range(N_ITEMS)], dtype=object)
    said = reasons(explain(model, users, shown, masks), titles)
    assert len(said) == shown.size and all(map(REASONS_OF_BEHAVIOUR.match, said))
    newcomer = explain(model, Histories.empty(), shown[:1], masks)
    assert reasons(newcomer, titles) == [PLAIN] * 4


@over(COUNTING)
def test_what_counts_choices_speaks_of_behaviour(champion: Champion) -> None:
    users = DATA.histories()
    shown = champion.model.recommend(users, 3, exclude=users).items
    why = explain(champion.model, users, shown)
    behaviour = why.shares[..., why.parts.index("behaviour")]
    assert behaviour.mean() > 0.9 and (why.past_items[..., 0] >= 0).mean() > 0.9
    same_kind = why.past_items[..., 0] % N_KINDS == shown % N_KINDS
    assert same_kind.mean() > 0.9, "an item is explained by what is chosen with it"


@over(FOR_EVERYONE)
def test_the_same_list_for_everyone_speaks_of_popularity(champion: Champion) -> None:
    users = DATA.histories()
    why = explain(champion.model, users, champion.model.recommend(users, 3).items)
    assert (why.shares[..., why.parts.index("popularity")] == 1).all()
    assert (why.past_items == -1).all()


@over([name for name in FAMILIES if not name.startswith("mmnn")])
@settings(max_examples=15, deadline=None)
@given(past=histories, item=st.integers(0, N_ITEMS - 1))
def test_a_past_items_weight_is_what_the_score_loses_without_it(
    champion: Champion, past: list[int], item: int
) -> None:
    asked = np.array([item], dtype=np.int32)
    why = explain(champion.model, history(past), asked[None], champion.masks)
    whole = champion.model.score(history(past), asked)[0, 0]
    for named, weight in zip(why.past_items[0, 0], why.past_weights[0, 0], strict=True):
        if named >= 0:
            rest = champion.model.score(history([one for one in past if one != named]), asked)
            assert weight == pytest.approx(whole - rest[0, 0], rel=1e-3, abs=1e-5)


@over(READS)
@settings(max_examples=15, deadline=None)
@given(past=histories, item=st.integers(0, N_ITEMS - 1))
def test_hiding_the_modality_that_is_named_costs_the_share_it_claims(
    champion: Champion, past: list[int], item: int
) -> None:
    model, past = champion.model, [one for one in past if one != item]
    asked = np.array([item], dtype=np.int32)
    why = explain(model, history(past), asked[None], champion.masks)
    assert isinstance(model, Maskable)
    before = model.score(history(past), asked)[0, 0]
    for place, part in enumerate(why.parts):
        if part not in DATA.tokens or not why.shares[0, 0, place]:
            continue
        # An MMNN hides it from the item alone; the others are asked as if no item had it.
        left = {name: own for name, own in DATA.tokens.items() if name != part}
        masked = model.masked(hidden(item, part) if isinstance(model, Explains) else left)
        after = masked.score(history(past), asked)[0, 0]
        lost = before - after if np.isfinite(after) else before
        claimed = why.shares[0, 0, place] * why.moved[0, 0]
        assert claimed == pytest.approx(lost, rel=1e-2, abs=1e-4)


@over(FAMILIES)
def test_a_new_item_is_taken_in_listed_and_explained(champion: Champion) -> None:
    tokens, places = newcomers()
    users, model, masks = DATA.histories(), champion.model, champion.masks
    if isinstance(model, Extendable):
        grown: Recommender = model.extended(tokens, places)
        masks = None if masks is None else masks.extended(tokens, places)
    else:
        of_kind = [np.arange(kind, N_ITEMS, N_KINDS, dtype=np.int32) for kind in range(N_KINDS)]
        near = [Neighbourhood(items, np.ones(len(items), np.float32)) for items in of_kind]
        grown = ByNeighbours(model, near, np.arange(N_ITEMS, dtype=np.int32), masks)
        masks = None
    scores = grown.score(users)
    assert scores.shape == (N_USERS, N_ITEMS + N_KINDS)
    some = np.array([N_ITEMS + 1, 7, N_ITEMS], dtype=np.int32)
    np.testing.assert_allclose(grown.score(users, some), scores[:, some], rtol=1e-4, atol=1e-5)
    assert {*range(N_ITEMS + N_KINDS)} == {*grown.recommend(users, N_ITEMS + N_KINDS).items[0]}
    own = np.array([[N_ITEMS + user % N_KINDS] for user in range(N_USERS)], dtype=np.int32)
    why = explain(grown, users, own, masks)
    sums = why.shares.sum(axis=2)
    assert ((np.abs(sums - 1) < 1e-5) | (sums == 0)).all() and sums.any()
    if not isinstance(model, Extendable):
        assert why.nearest is not None
        assert np.array_equal(why.nearest[:, 0], np.arange(N_USERS) % N_KINDS)


@pytest.mark.parametrize("family", ["ease", "transition"])
def test_an_event_on_a_new_item_is_named_as_what_was_done(family: str) -> None:
    model = FAMILIES[family]().fit(DATA)
    near = Neighbourhood(np.array([1], dtype=np.int32), np.ones(1, dtype=np.float32))
    grown = ByNeighbours(model, [near], np.arange(N_ITEMS, dtype=np.int32))
    why = grown.explain(history([N_ITEMS]), np.array([[4, 7]], dtype=np.int32))
    assert set(why.past_items.ravel().tolist()) == {-1, N_ITEMS}
