"""Transformer, GAT and content baseline, asked as if their items had other tokens."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines import Content
from models.catalogue.families import load_model
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import permuted
from models.gat import GAT, GATConfig
from models.persistence import (
    ModelFormatError,
    NotFittedError,
    family_of,
    load_state,
    save_state,
)
from models.protocol import Maskable
from models.transformer import Transformer, TransformerConfig

N_USERS, N_ITEMS, N_COLD, N_KINDS = 48, 40, 8, 4
COLD = np.arange(N_ITEMS - N_COLD, N_ITEMS, dtype=np.int32)
Tokens = Mapping[str, TokenTable]

FAMILIES: dict[str, Callable[[], Maskable]] = {
    "transformer": lambda: Transformer(
        TransformerConfig(dim=16, heads=2, components=8, epochs=5, history=10)
    ),
    "gat": lambda: GAT(
        GATConfig(dim=16, user_heads=2, epochs=10, batch_size=64, components=8, neighbours=3)
    ),
    "content": Content,
}


def tastes() -> Dataset:
    """Users who like one of four kinds of items: the text says the kind, and the picture half of
    it. The last items have no event, and some no picture."""
    rng = np.random.default_rng(0)
    kind = np.arange(N_ITEMS) % N_KINDS
    warm = np.arange(N_ITEMS) < N_ITEMS - N_COLD
    liked = [
        rng.permutation(np.flatnonzero((kind == user % N_KINDS) & warm))[:7]
        for user in range(N_USERS)
    ]
    n = 7 * N_USERS
    events = Interactions(
        np.repeat(np.arange(N_USERS), 7).astype(np.int32),
        np.concatenate(liked).astype(np.int32),
        rng.integers(1, 6, n).astype(np.float32),
        np.arange(n, dtype=np.int64) * 10**6,
    )
    last = np.arange(n) % 7 == 6
    text = np.eye(N_KINDS)[kind] + 0.05 * rng.standard_normal((N_ITEMS, N_KINDS))
    picture = np.eye(2)[kind // 2] + 0.3 * rng.standard_normal((N_ITEMS, 2))
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(N_USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(N_ITEMS))),
        events.take(~last),
        events.take(last),
        {"text": table(text), "image": table(picture).without(np.arange(N_ITEMS) % 11 == 5)},
        np.zeros((int((~last).sum()), 0), dtype=np.float32),
    )


def table(features: np.ndarray) -> TokenTable:
    items = np.arange(len(features), dtype=np.int32)
    return TokenTable(N_ITEMS, items, np.zeros(len(items), np.int64), features.astype(np.float32))


def without(tokens: Tokens, lost: np.ndarray) -> dict[str, TokenTable]:
    return {name: table.without(lost) for name, table in tokens.items()}


def state(model: Maskable, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return tastes()


@pytest.fixture(scope="module", params=list(FAMILIES))
def model(request: pytest.FixtureRequest, dataset: Dataset) -> Maskable:
    fitted = FAMILIES[request.param]().fit(dataset)
    assert isinstance(fitted, Maskable)
    return fitted


@pytest.fixture(scope="module")
def loaded(model: Maskable, tmp_path_factory: pytest.TempPathFactory) -> Maskable:
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder)
    found = load_model(folder)
    assert isinstance(found, Maskable)
    return found


def test_with_the_tokens_of_the_fit_the_answer_is_the_model_again(model, loaded, dataset):
    expected = model.score(dataset.histories())
    for one in (model, loaded):
        same = one.masked(dataset.tokens)
        np.testing.assert_array_equal(same.score(dataset.histories()), expected)
        np.testing.assert_array_equal(
            same.recommend(dataset.histories(), 5).items,
            model.recommend(dataset.histories(), 5).items,
        )


def test_the_model_stays_as_it_is(model, dataset, tmp_path: Path):
    before, scores = state(model, tmp_path / "before"), model.score(dataset.histories())
    other = model.masked(without(dataset.tokens, np.arange(N_ITEMS) % 2 == 0))
    assert not np.array_equal(other.score(dataset.histories()), scores)
    np.testing.assert_array_equal(model.score(dataset.histories()), scores)
    assert state(model, tmp_path / "after") == before


def test_without_modalities_no_token_says_anything(model, dataset):
    nothing = model.masked({})
    cold = nothing.score(dataset.histories(), COLD)
    alike = np.broadcast_to(cold[:, :1], cold.shape)
    np.testing.assert_allclose(cold, alike, rtol=1e-4, atol=1e-5)
    no_rows = model.masked(without(dataset.tokens, np.ones(N_ITEMS, dtype=bool)))
    np.testing.assert_array_equal(
        no_rows.score(dataset.histories()), nothing.score(dataset.histories())
    )


def test_other_tokens_give_other_lists(model, dataset):
    def found(tokens: Tokens) -> float:
        best = COLD[model.masked(tokens).score(dataset.histories(), COLD).argmax(axis=1)]
        return float((best % N_KINDS == np.arange(N_USERS) % N_KINDS).mean())

    swapped = {name: permuted(table, 1) for name, table in dataset.tokens.items()}
    assert found(dataset.tokens) > 0.9 and found(swapped) < 0.5


masks = st.lists(st.booleans(), min_size=N_ITEMS, max_size=N_ITEMS).map(np.array)


@settings(max_examples=15, deadline=None)
@given(lost=masks, modality=st.sampled_from(["text", "image"]), seed=st.integers(0, 99))
def test_what_lost_rows_said_leaves_no_trace(model, dataset, lost, modality, seed):
    tokens = dataset.tokens[modality]
    noise = np.random.default_rng(seed).normal(0, 9, tokens.features.shape).astype(np.float32)
    spoilt = np.where(lost[tokens.items, None], noise, tokens.features)
    once = model.masked({**dataset.tokens, modality: replace(tokens, features=spoilt)})
    left = {**dataset.tokens, modality: tokens.without(lost)}
    np.testing.assert_array_equal(
        once.masked(left).score(dataset.histories()), model.masked(left).score(dataset.histories())
    )
    np.testing.assert_array_equal(
        once.masked(dataset.tokens).score(dataset.histories()), model.score(dataset.histories())
    )


@settings(max_examples=15, deadline=None)
@given(lost=st.sets(st.sampled_from(COLD.tolist()), min_size=1))
def test_an_item_without_rows_is_scored_as_where_nobody_has_any(model, dataset, lost):
    chosen = np.array(sorted(lost), dtype=np.int32)
    left = without(dataset.tokens, np.isin(np.arange(N_ITEMS), chosen))
    nobody = Histories.empty(1)
    np.testing.assert_allclose(
        model.masked(left).score(nobody, chosen),
        model.masked({}).score(nobody, chosen),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("model", ["transformer", "content"], indirect=True)
@settings(max_examples=15, deadline=None)
@given(lost=st.sets(st.sampled_from(COLD.tolist()), min_size=1))
def test_an_item_that_lost_nothing_keeps_its_score(model, dataset, lost):
    gone = np.isin(np.arange(N_ITEMS), list(lost))
    kept = np.flatnonzero(~gone)
    np.testing.assert_allclose(
        model.masked(without(dataset.tokens, gone)).score(dataset.histories(), kept),
        model.score(dataset.histories(), kept),
        rtol=1e-4,
        atol=1e-5,
    )


@settings(max_examples=15, deadline=None)
@given(lost=masks, modality=st.sampled_from(["text", "image", "both"]))
def test_a_loaded_model_is_masked_alike(model, loaded, dataset, lost, modality):
    less = without(dataset.tokens, lost)
    left = less if modality == "both" else {**dataset.tokens, modality: less[modality]}
    histories = dataset.histories()
    np.testing.assert_array_equal(
        model.masked(left).score(histories), loaded.masked(left).score(histories)
    )


def test_a_masked_model_can_be_saved_and_given_its_tokens_back(model, dataset, tmp_path: Path):
    masked = model.masked({"text": dataset.tokens["text"]})
    masked.save(tmp_path)
    again = load_model(tmp_path)
    histories = dataset.histories()
    np.testing.assert_array_equal(again.score(histories), masked.score(histories))
    np.testing.assert_array_equal(
        again.masked(dataset.tokens).score(histories), model.score(histories)
    )


@pytest.mark.parametrize("family", list(FAMILIES))
def test_an_unfitted_model_cannot_be_masked(family):
    with pytest.raises(NotFittedError, match="call fit"):
        FAMILIES[family]().masked({})


NEEDED = {
    "transformer": ("known", "features.text.fold_of"),
    "gat": ("choices.items", "nearest.text.mean", "features.image.components"),
    "content": ("deviation",),
}


def test_a_folder_that_lacks_what_masking_needs_is_refused(model, tmp_path: Path):
    model.save(tmp_path)
    family = family_of(tmp_path)
    arrays, described = load_state(tmp_path, family=family)
    for name in NEEDED[family]:
        rest = {key: array for key, array in arrays.items() if key != name}
        save_state(tmp_path, rest, described, family=family)
        with pytest.raises(ModelFormatError, match="fit the model again"):
            load_model(tmp_path)
