"""Networks that go on from an earlier fit, over a catalogue that has changed since."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking_users import random_walks

from models.baselines import EASE
from models.catalogue.families import load_model
from models.data import Dataset, Ints, TokenTable, Vocabulary
from models.gat import GAT, GATConfig
from models.hmdf import HMDF
from models.mmnn import MMNN, MMNNConfig
from models.persistence import NotFittedError
from models.protocol import WarmStartable, WarmStartError
from models.transformer import Transformer, TransformerConfig
from models.warm_start import rotation

NETWORKS: dict[str, Callable[[], WarmStartable]] = {
    "mmnn": lambda: MMNN(MMNNConfig(dim=8, epochs=6, patience=6, batch_size=64)),
    "model fusion": lambda: MMNN(
        MMNNConfig(dim=8, epochs=6, patience=6, batch_size=64, fusion_level="model")
    ),
    "gated attention": lambda: MMNN(
        MMNNConfig(dim=8, epochs=6, patience=6, batch_size=64, operator="gated_attention")
    ),
    "transformer": lambda: Transformer(
        TransformerConfig(dim=16, heads=2, components=8, epochs=6, patience=6, history=10)
    ),
    "gat": lambda: GAT(
        GATConfig(dim=16, user_heads=2, epochs=6, patience=6, batch_size=64, components=8)
    ),
}


def world(**size: int) -> Dataset:
    """Walks over items of which a text says the place; nothing is held back."""
    dataset = random_walks(**{"seed": 0, "n_users": 20, "n_items": 20, "length": 10, **size})
    angle = 2 * np.pi * np.arange(dataset.n_items) / dataset.n_items
    text = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    everything = np.arange(dataset.n_items, dtype=np.int32)
    rows = TokenTable(dataset.n_items, everything, np.zeros(dataset.n_items, np.int64), text)
    nothing = dataset.validation.take(np.zeros(len(dataset.validation), dtype=bool))
    return replace(dataset, tokens={"text": rows}, validation=nothing)


def in_other_order(dataset: Dataset, order: Ints) -> Dataset:
    """The same events on a catalogue whose place p has the item that was at `order[p]`."""
    place = np.argsort(order).astype(np.int32)
    ids = Vocabulary(tuple(dataset.item_ids.ids[item] for item in order))
    (text,) = dataset.tokens.values()
    moved = TokenTable(text.n_items, text.items, text.known_at, text.features[order])
    train = replace(dataset.train, items=place[dataset.train.items])
    return replace(dataset, item_ids=ids, train=train, tokens={"text": moved})


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_warm_start_is_short_and_comes_out_alike(name: str, tmp_path: Path) -> None:
    before = world()
    first = NETWORKS[name]().fit(before)
    first.trained_epochs = 6  # type: ignore[attr-defined]
    first.save(tmp_path)
    scores = first.score(before.histories()).copy()
    grown = world(n_users=24, n_items=24)
    warm = first.warm_started(before.item_ids, grown)
    assert len(warm.curve.train) == 2  # type: ignore[attr-defined]
    assert warm.trained_epochs == 6, "what a fit from scratch takes"  # type: ignore[attr-defined]
    users = grown.histories()
    assert np.isfinite(warm.score(users)).all() and warm.score(users).shape == (24, 24)
    again = load_model(tmp_path).warm_started(before.item_ids, grown)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.score(users), warm.score(users))
    np.testing.assert_array_equal(first.score(before.histories()), scores)
    chained = warm.warm_started(grown.item_ids, grown)
    assert not np.array_equal(chained.score(users), warm.score(users))


@pytest.mark.parametrize("name", ["mmnn", "model fusion", "gated attention"])
def test_items_are_matched_by_their_ids(name: str) -> None:
    before = world()
    first = NETWORKS[name]().fit(before)
    first.trained_epochs = 0  # type: ignore[attr-defined]
    order = np.random.default_rng(3).permutation(before.n_items)
    after = in_other_order(before, order)
    warm = first.warm_started(before.item_ids, after)
    expected = first.score(before.histories())[:, order]
    np.testing.assert_allclose(warm.score(after.histories()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["transformer", "gat"])
def test_weights_of_items_are_matched_by_their_ids(name: str) -> None:
    # A start of a sequence reads item 0, and a graph draws neighbours by place: scores depend on
    # the order a little.
    before = world()
    first = NETWORKS[name]().fit(before)
    first.trained_epochs = 0  # type: ignore[attr-defined]
    order = np.random.default_rng(3).permutation(before.n_items)
    warm = first.warm_started(before.item_ids, in_other_order(before, order))
    earlier, carried = (model.network.state_dict() for model in (first, warm))  # type: ignore[attr-defined]
    for table, weights in earlier.items():
        of_items = table in warm.network.of_items  # type: ignore[attr-defined]
        expected = weights.numpy()[order] if of_items else weights.numpy()
        np.testing.assert_array_equal(carried[table].numpy(), expected)


def test_what_no_event_had_taught_begins_as_in_any_fit() -> None:
    before = world()
    unseen = int(before.train.items[0])
    kept = before.train.items != unseen
    context = before.context[kept]
    first = NETWORKS["mmnn"]().fit(replace(before, train=before.train.take(kept), context=context))
    first.trained_epochs = 0  # type: ignore[attr-defined]
    warm = first.warm_started(before.item_ids, before)
    fresh = MMNN(first.config)  # type: ignore[attr-defined]
    fresh.trained_epochs = 0
    begun = fresh.refitted(before).network.state_dict()["popularity"].numpy()
    carried = warm.network.state_dict()["popularity"].numpy()  # type: ignore[attr-defined]
    assert carried[unseen] == begun[unseen]
    others = np.arange(before.n_items) != unseen
    earlier = first.network.state_dict()["popularity"].numpy()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(carried[others], earlier[others])


@pytest.mark.parametrize("name", ["mmnn", "transformer", "gat"])
def test_other_features_are_refused(name: str) -> None:
    before = world()
    first = NETWORKS[name]().fit(before)
    (text,) = before.tokens.values()
    wider = replace(text, features=np.hstack([text.features, text.features]))
    for tokens in ({}, {"text": wider}, {"text": text, "image": text}):
        with pytest.raises(WarmStartError, match="other features"):
            first.warm_started(before.item_ids, before.with_tokens(tokens))


def test_other_statistics_of_events_are_refused() -> None:
    before = world()
    first = NETWORKS["mmnn"]().fit(before)
    context = np.zeros((len(before.train), before.context.shape[1] + 1), dtype=np.float32)
    with pytest.raises(WarmStartError, match="statistics of an event"):
        first.warm_started(before.item_ids, replace(before, context=context))


def test_who_learned_nothing_has_nothing_to_go_on_from() -> None:
    dataset = world()
    for build in NETWORKS.values():
        with pytest.raises(NotFittedError):
            build().warm_started(dataset.item_ids, dataset)
    for counting in (EASE(), HMDF()):
        assert not isinstance(counting, WarmStartable)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(6, 30))
def test_the_rotation_undoes_a_rotation(seed: int, rank: int, items: int) -> None:
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((items, rank)).astype(np.float32)
    turned, _ = np.linalg.qr(rng.standard_normal((rank, rank)))
    earlier = (factors @ turned).astype(np.float32)
    np.testing.assert_allclose(factors @ rotation(factors, earlier), earlier, atol=1e-4)


def test_without_items_in_common_factors_stay_as_they_are() -> None:
    nothing = np.zeros((0, 3), dtype=np.float32)
    np.testing.assert_allclose(np.abs(rotation(nothing, nothing)), np.eye(3), atol=1e-6)
