from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.mmnn import MMNN, MMNNConfig, NotFittedError
from models.persistence import ModelFormatError
from models.protocol import Recommender

USERS, ITEMS, KINDS = 60, 40, 4
SMALL = MMNNConfig(dim=16, heads=2, epochs=25, patience=25, batch_size=64, components=8)


def tastes(seed: int = 0, cold: int = 8) -> Dataset:
    """Users who like one of four kinds; the text says the kind, the picture is noise.

    The last `cold` items have no training event.
    """
    rng = np.random.default_rng(seed)
    kind = np.arange(ITEMS) % KINDS
    users, items = [], []
    for user in range(USERS):
        liked = np.flatnonzero(kind == user % KINDS)
        liked = liked[liked < ITEMS - cold]
        items.append(rng.permutation(liked)[:7])
        users.append(np.full(len(items[-1]), user))
    user, item = np.concatenate(users), np.concatenate(items)
    events = Interactions(
        user.astype(np.int32),
        item.astype(np.int32),
        rng.integers(1, 6, len(user)).astype(np.float32),
        np.arange(len(user), dtype=np.int64) * 1_000_000,
    )
    last = np.r_[np.diff(events.users) != 0, True]
    text = np.eye(KINDS)[kind] + 0.05 * rng.standard_normal((ITEMS, KINDS))
    picture = rng.standard_normal((ITEMS - 3, 12))
    tokens = {
        "text": table(np.arange(ITEMS), text),
        "image": table(np.arange(ITEMS - 3), picture),
    }
    context = rng.standard_normal((int((~last).sum()), 2)).astype(np.float32)
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(ITEMS))),
        events.take(~last),
        events.take(last),
        tokens,
        context,
        ("item_count", "user_count"),
    )


def table(items: np.ndarray, features: np.ndarray, known_at: int = 0) -> TokenTable:
    return TokenTable(
        ITEMS,
        items.astype(np.int32),
        np.full(len(items), known_at, dtype=np.int64),
        features.astype(np.float32),
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    return tastes()


@pytest.fixture(scope="session")
def model() -> MMNN:
    return MMNN(SMALL).fit(tastes())


def test_it_is_a_recommender(model):
    assert isinstance(model, Recommender)


@pytest.mark.parametrize("operator", ["concatenation", "gated_attention"])
def test_cold_items_of_the_liked_kind_come_first(data, operator):
    model = MMNN(SMALL.model_copy(update={"operator": operator})).fit(data)
    cold = np.arange(ITEMS - 8, ITEMS, dtype=np.int32)
    best = cold[model.score(data.histories(), cold).argmax(axis=1)]
    assert (best % KINDS == np.arange(USERS) % KINDS).mean() > 0.9


def test_training_lowers_the_loss_and_tells_its_curve(model):
    assert model.curve.train[-1] < model.curve.train[0]
    assert len(model.curve.train) == len(model.curve.validation)
    assert 1 <= model.curve.best_epoch <= SMALL.epochs


def test_the_same_seed_gives_the_same_scores(data):
    once, again = (
        MMNN(SMALL.model_copy(update={"epochs": 3})).fit(data).score(data.histories())
        for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)


def test_scores_do_not_depend_on_who_else_is_asked(data, model):
    together = model.score(data.histories())
    alone = model.score(data.histories(np.array([17], dtype=np.int32)))
    np.testing.assert_allclose(together[17:18], alone, rtol=1e-4, atol=1e-5)


def test_a_user_without_history_gets_finite_scores(model):
    scores = model.score(Histories.empty(2))
    assert scores.shape == (2, ITEMS) and np.isfinite(scores).all()


def test_recommend_excludes_and_sorts(data, model):
    histories = data.histories()
    ranking = model.recommend(histories, 5, exclude=histories)
    assert ranking.items.shape == (USERS, 5)
    assert (np.diff(ranking.scores, axis=1) <= 0).all()
    for user in range(USERS):
        taken = histories.items[histories.offsets[user] : histories.offsets[user + 1]]
        assert not set(taken) & set(ranking.items[user])


def test_recommend_fills_up_with_minus_one(data, model):
    ranking = model.recommend(data.histories(), ITEMS + 4)
    assert (ranking.items[:, -4:] == -1).all() and np.isneginf(ranking.scores[:, -4:]).all()


def test_saved_and_loaded_it_scores_and_explains_the_same(data, model, tmp_path: Path):
    model.save(tmp_path)
    loaded = MMNN.load(tmp_path)
    histories = data.histories()
    np.testing.assert_array_equal(model.score(histories), loaded.score(histories))
    items = model.recommend(histories, 3).items
    np.testing.assert_array_equal(
        model.explain(histories, items).shares, loaded.explain(histories, items).shares
    )
    np.testing.assert_array_equal(model.encode_items(data.tokens), loaded.encode_items(data.tokens))


def test_saving_twice_gives_the_same_bytes(model, tmp_path: Path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        model.save(folder)
    first, second = (
        {path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in folders
    )
    assert first == second and set(first) == {"weights.safetensors", "config.json"}


def test_a_folder_without_a_model_is_named(tmp_path: Path):
    with pytest.raises(ModelFormatError, match=str(tmp_path)):
        MMNN.load(tmp_path)


def test_an_unfitted_model_says_so(data):
    with pytest.raises(NotFittedError, match="fit or load"):
        MMNN(SMALL).score(data.histories())


def test_new_items_are_encoded_like_cold_ones(data, model):
    codes = model.encode_items(data.tokens)
    np.testing.assert_allclose(codes[-8:], model.items.codes[-8:].numpy(), rtol=1e-4, atol=1e-5)


def test_explanations_name_the_text_and_real_past_items(data, model):
    histories = data.histories()
    items = model.recommend(histories, 4, exclude=histories).items
    why = model.explain(histories, items)
    assert why.parts == ("text", "image", "behaviour")
    assert why.shares.shape == (USERS, 4, 3) and why.past_items.shape == (USERS, 4, 3)
    sums = why.shares.sum(axis=2)
    assert ((np.abs(sums - 1) < 1e-5) | (sums == 0)).all()
    assert why.shares[..., 0].mean() > why.shares[..., 1].mean()
    assert ((why.past_weights > 0) == (why.past_items >= 0)).all()
    for user in range(USERS):
        taken = histories.items[histories.offsets[user] : histories.offsets[user + 1]]
        assert set(why.past_items[user].ravel()) <= {*taken.tolist(), -1}


def test_an_item_that_was_done_twice_is_named_once(data, model):
    whole = data.histories()
    twice = Histories(
        whole.offsets * 2,
        np.repeat(whole.items, 2),
        np.repeat(whole.values, 2),
        np.repeat(whole.timestamps, 2),
        whole.users,
    )
    past = model.explain(twice, model.recommend(whole, 4).items).past_items.reshape(-1, 3)
    assert (past >= 0).all(axis=1).any()
    for named in past:
        real = named[named >= 0]
        assert len(set(real.tolist())) == len(real)


def test_a_past_items_weight_is_the_score_lost_without_it(data, model):
    whole = data.histories(np.array([3], dtype=np.int32))
    item = model.recommend(whole, 1).items
    why = model.explain(whole, item)
    dropped = why.past_items[0, 0, 0]
    keep = whole.items != dropped
    rest = Histories(
        np.array([0, keep.sum()]),
        whole.items[keep],
        whole.values[keep],
        whole.timestamps[keep],
        whole.users,
    )
    lost = model.score(whole, item[0]) - model.score(rest, item[0])
    # Later events move up by one place when one is left out, which changes their decay a little.
    np.testing.assert_allclose(why.past_weights[0, 0, 0], lost[0, 0], rtol=0.5)


def test_no_item_has_no_reason(data, model):
    why = model.explain(data.histories(), np.full((USERS, 2), -1, dtype=np.int32))
    assert not why.shares.any() and (why.past_items == -1).all()
    nobody = model.explain(Histories.empty(1), np.zeros((1, 2), dtype=np.int32))
    assert (nobody.past_items == -1).all()


def test_codes_without_a_modality_are_made_once_and_only_where_a_reason_is_asked(data, model):
    masked = model.masked(data.tokens)
    calls = []
    hook = model.network.items.register_forward_hook(lambda *_: calls.append(1))
    try:
        assert len(model.masked(data.tokens).modalities) == 2 and len(calls) == 1
        whole = data.histories()
        items = masked.recommend(whole, 3).items
        first, second = (masked.explain(whole, items).shares for _ in range(2))
        assert len(calls) == 1 + 3
    finally:
        hook.remove()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, model.explain(whole, items).shares)


def test_without_any_modality_only_past_items_are_a_reason(data):
    whole = data.histories()
    bare = MMNN(SMALL.model_copy(update={"epochs": 2})).fit(replace(data, tokens={}))
    why = bare.explain(whole, bare.recommend(whole, 3).items)
    assert why.parts == ("behaviour",) and (why.past_items >= 0).any()
