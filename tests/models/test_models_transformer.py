from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from models.baselines import Popularity
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.metrics import ndcg
from models.persistence import ModelFormatError, NotFittedError
from models.protocol import Recommender
from models.transformer import Transformer, TransformerConfig

USERS, ITEMS, COLD, LENGTH = 80, 48, 6, 14
SECOND = 1_000_000
SMALL = TransformerConfig(dim=16, heads=2, components=8, epochs=8, patience=8, history=10)

BRIEF = SMALL.model_copy(update={"epochs": 2})
"""For what does not depend on how much was learned."""


def walks(seed: int = 0) -> Dataset:
    """Users who walk round a ring of items: the next item is the last one's successor.

    Item i's successor is i + 1; most walks begin at the first items. The last `COLD` items have no
    event; the text of item i says where on the ring it is, and a cold item's says it stands beside
    one of them. The picture is noise.
    """
    rng = np.random.default_rng(seed)
    ring = ITEMS - COLD
    starts = (ring * rng.random(USERS) ** 3).astype(int)
    items = (starts[:, None] + np.arange(LENGTH)) % ring
    users = np.repeat(np.arange(USERS), LENGTH)
    events = Interactions(
        users.astype(np.int32),
        items.ravel().astype(np.int32),
        rng.integers(1, 6, USERS * LENGTH).astype(np.float32),
        np.tile(np.arange(LENGTH, dtype=np.int64), USERS) * 60 * SECOND,
    )
    last = np.tile(np.arange(LENGTH) == LENGTH - 1, USERS)
    place = np.r_[np.arange(ring), np.arange(COLD) * (ring // COLD)]
    angle = 2 * np.pi * place / ring
    text = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    picture = rng.standard_normal((ITEMS - 3, 12))
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(ITEMS))),
        events.take(~last),
        events.take(last),
        {"text": table(text), "image": table(picture)},
        np.zeros((int((~last).sum()), 0), dtype=np.float32),
    )


def table(features: np.ndarray) -> TokenTable:
    n = len(features)
    return TokenTable(
        ITEMS, np.arange(n, dtype=np.int32), np.zeros(n, dtype=np.int64), features.astype("f4")
    )


def next_item_ndcg(model: Recommender, data: Dataset) -> float:
    histories = data.histories(data.validation.users)
    ranking = model.recommend(histories, 10, exclude=histories)
    hits = ranking.items == data.validation.items[:, None]
    return float(ndcg(hits, np.ones(len(hits), dtype=np.int64), 10).mean())


@pytest.fixture(scope="module")
def data() -> Dataset:
    return walks()


@pytest.fixture(scope="session")
def model() -> Transformer:
    return Transformer(SMALL).fit(walks())


def test_it_is_a_recommender(model):
    assert isinstance(model, Recommender)


def test_it_learns_what_follows_what(data, model):
    popularity = next_item_ndcg(Popularity().fit(data), data)
    assert next_item_ndcg(model, data) > max(0.7, 2 * popularity)


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["concatenation", "gated_attention"])
def test_so_it_does_with_every_operator_of_fusion(data, operator):
    assert SMALL.operator == "self_attention"
    model = Transformer(SMALL.model_copy(update={"operator": operator})).fit(data)
    popularity = next_item_ndcg(Popularity().fit(data), data)
    assert next_item_ndcg(model, data) > max(0.7, 2 * popularity)


@pytest.mark.slow
def test_without_transitions_and_tokens_it_learns_by_steps_alone(data):
    settings = {"transition_gain": 0.0, "learning_rate": 2e-2, "epochs": 10}
    bare = data.with_tokens({})
    model = Transformer(SMALL.model_copy(update=settings)).fit(bare)
    assert next_item_ndcg(model, bare) > 2 * next_item_ndcg(Popularity().fit(bare), bare)


def test_cold_items_beside_the_walk_come_first(data, model):
    cold = np.arange(ITEMS - COLD, ITEMS, dtype=np.int32)
    ring = ITEMS - COLD
    place = np.arange(COLD) * (ring // COLD)
    middle = (data.validation.items - LENGTH // 2) % ring
    distance = np.abs(place[None, :] - middle[:, None])
    distance = np.minimum(distance, ring - distance)
    scores = model.score(data.histories(data.validation.users), cold)
    best = np.take_along_axis(distance, scores.argmax(axis=1)[:, None], axis=1)
    assert best.mean() < 0.5 * distance.mean()


def test_training_lowers_the_loss_and_tells_its_curve(model):
    assert model.curve.train[-1] < model.curve.train[0]
    assert model.curve.best_epoch > 0, "the weights it began with are not the best"
    assert len(model.curve.train) == len(model.curve.validation) <= SMALL.epochs


@pytest.mark.slow
def test_without_validation_events_the_training_loss_chooses(data):
    nothing = data.validation.take(np.zeros(0, dtype=np.int64))
    model = Transformer(SMALL).fit(replace(data, validation=nothing))
    assert model.curve.validation == model.curve.train
    assert model.curve.best_epoch == 1 + int(np.argmin(model.curve.train))
    assert next_item_ndcg(model, data) > 2 * next_item_ndcg(Popularity().fit(data), data)


def test_the_same_seed_gives_the_same_bytes(data, tmp_path: Path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        Transformer(BRIEF).fit(data).save(folder)
    first, second = (
        {path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in folders
    )
    assert first == second and set(first) == {"weights.safetensors", "config.json"}


def test_another_seed_gives_other_scores(data):
    one, other = (
        Transformer(BRIEF.model_copy(update={"seed": seed})).fit(data).score(data.histories())
        for seed in (42, 1)
    )
    assert np.abs(one - other).max() > 1e-3


def test_saved_and_loaded_it_scores_the_same(data, model, tmp_path: Path):
    model.save(tmp_path)
    loaded = Transformer.load(tmp_path)
    histories = data.histories()
    np.testing.assert_array_equal(model.score(histories), loaded.score(histories))
    np.testing.assert_array_equal(
        model.recommend(histories, 5).items, loaded.recommend(histories, 5).items
    )


def test_a_folder_without_a_transformer_is_named(data, tmp_path: Path):
    with pytest.raises(ModelFormatError, match=str(tmp_path)):
        Transformer.load(tmp_path)
    Popularity().fit(data).save(tmp_path)
    with pytest.raises(ModelFormatError, match="popularity"):
        Transformer.load(tmp_path)


def test_an_unfitted_model_says_so(data):
    with pytest.raises(NotFittedError, match="fit or load"):
        Transformer(SMALL).score(data.histories())


def test_scores_do_not_depend_on_who_else_is_asked(data, model):
    together = model.score(data.histories())
    alone = model.score(data.histories(np.array([17], dtype=np.int32)))
    np.testing.assert_allclose(together[17:18], alone, rtol=1e-4, atol=1e-5)


def test_scores_of_some_items_are_those_of_all(data, model):
    some = np.array([40, 3, 47], dtype=np.int32)
    whole = model.score(data.histories())
    np.testing.assert_allclose(model.score(data.histories(), some), whole[:, some], rtol=1e-4)


def test_only_the_last_events_are_read(data, model):
    whole = data.histories(np.array([5], dtype=np.int32))
    longer = whole.preceded_by(np.array([1, 2, 3], dtype=np.int32))
    keep = slice(-SMALL.history, None)
    recent = Histories(
        np.array([0, SMALL.history]),
        whole.items[keep],
        whole.values[keep],
        whole.timestamps[keep],
        whole.users,
    )
    np.testing.assert_array_equal(model.score(whole), model.score(longer))
    # The first event read has a gap before it, or none: that is all a cut may change.
    assert np.corrcoef(model.score(whole)[0], model.score(recent)[0])[0, 1] > 0.95


def test_a_user_without_history_gets_the_popular_items(data, model):
    scores = model.score(Histories.empty(2))
    assert scores.shape == (2, ITEMS) and np.isfinite(scores).all()
    counts = np.bincount(data.train.items, minlength=ITEMS)
    assert np.corrcoef(scores[0, counts > 0], np.log(counts[counts > 0]))[0, 1] > 0.8


def test_recommend_excludes_sorts_and_fills_up(data, model):
    histories = data.histories()
    ranking = model.recommend(histories, ITEMS + 4, exclude=histories)
    assert (ranking.items[:, -4:] == -1).all() and np.isneginf(ranking.scores[:, -4:]).all()
    kept = np.where(np.isneginf(ranking.scores), 0, ranking.scores)
    assert (np.diff(ranking.scores[:, : ITEMS - LENGTH + 1], axis=1) <= 0).all()
    assert np.isfinite(kept).all()
    for user in range(USERS):
        taken = histories.items[histories.offsets[user] : histories.offsets[user + 1]]
        assert not set(taken) & set(ranking.items[user])


def test_a_dataset_without_tokens_or_without_events_can_be_fitted(data):
    assert np.isfinite(Transformer(BRIEF).fit(data.with_tokens({})).score(data.histories())).all()
    nothing = data.train.take(np.zeros(0, dtype=np.int64))
    empty = Dataset(
        data.user_ids, data.item_ids, nothing, nothing, data.tokens, np.zeros((0, 0), "f4")
    )
    assert np.isfinite(Transformer(BRIEF).fit(empty).score(Histories.empty(1))).all()


@pytest.mark.slow
def test_sampled_items_are_enough_to_learn(data):
    model = Transformer(SMALL.model_copy(update={"sampled_items": 8})).fit(data)
    assert next_item_ndcg(model, data) > 0.7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"operator": "sum"}, "self_attention"),
        ({"dim": 10, "heads": 4}, "cannot be shared by heads"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        TransformerConfig(**settings)
