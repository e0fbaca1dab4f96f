"""The tasks that an MMNN learns together: what their heads foretell, and how they are weighed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import EvaluationConfig, RatingPredictor, evaluate_ratings
from models.mmnn import MMNN, MissingHeadError, MMNNConfig, NotFittedError
from models.mmnn.tasks import ClickLoss, Step
from models.sequences import Events

USERS, ITEMS, KINDS, EACH = 48, 40, 4, 8
SMALL = MMNNConfig(dim=16, heads=2, epochs=12, patience=12, batch_size=64, components=4)
ALL = ("retrieval", "rating", "click")


def opinions() -> tuple[Dataset, Interactions]:
    """Users who meet two of four kinds of items, love the first and hate the second.

    The text says the kind. Every user and every kind has the same mean value, so that only who
    meets what tells a value. Each user's last event is held out, and nothing for validation: that
    would choose the epoch by the ranking alone.
    """
    rng = np.random.default_rng(0)
    kind = np.arange(ITEMS) % KINDS
    pairs = [[user % KINDS, (user + 1) % KINDS] for user in range(USERS)]
    chosen = [
        rng.permutation([rng.permutation(np.flatnonzero(kind == k))[:EACH] for k in pair]).ravel()
        for pair in pairs
    ]
    chosen = [rng.permutation(own) for own in chosen]
    users = np.repeat(np.arange(USERS, dtype=np.int32), 2 * EACH)
    items = np.concatenate(chosen).astype(np.int32)
    values = np.where(kind[items] == users % KINDS, 5.0, 1.0).astype(np.float32)
    events = Interactions(users, items, values, np.arange(len(users), dtype=np.int64) * 10**6)
    place = np.arange(len(users)) % (2 * EACH)
    text = np.eye(KINDS)[kind] + 0.05 * rng.standard_normal((ITEMS, KINDS))
    everything = np.arange(ITEMS, dtype=np.int32)
    tokens = {
        "text": TokenTable(ITEMS, everything, np.zeros(ITEMS, np.int64), text.astype(np.float32))
    }
    train = events.take(place < 2 * EACH - 1)
    dataset = Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(ITEMS))),
        train,
        events.take(place < 0),
        tokens,
        np.zeros((len(train), 0), np.float32),
    )
    return dataset, events.take(place == 2 * EACH - 1)


@pytest.fixture(scope="module")
def data() -> tuple[Dataset, Interactions]:
    return opinions()


@pytest.fixture(scope="session", params=["feature", pytest.param("model", marks=pytest.mark.slow)])
def model(request) -> MMNN:
    config = SMALL.model_copy(update={"fusion_level": request.param, "tasks": ALL})
    return MMNN(config).fit(opinions()[0])


def test_ratings_of_held_out_events_beat_the_mean(data, model):
    dataset, test = data
    assert isinstance(model, RatingPredictor)
    rows = evaluate_ratings(
        model, test, split="random", run_id="r", config=EvaluationConfig(samples=10)
    )
    error = {row.metric: row.value for row in rows}["rmse"]
    mean = np.sqrt(((test.values - dataset.train.values.mean()) ** 2).mean())
    assert error < 0.25 * mean


def test_ratings_do_not_depend_on_who_else_is_asked(data, model):
    _, test = data
    together = model.predict_ratings(test.users, test.items)
    turned = model.predict_ratings(test.users[::-1], test.items[::-1])[::-1]
    alone = model.predict_ratings(test.users[5:6], test.items[5:6])
    np.testing.assert_allclose(together, turned, rtol=1e-4)
    np.testing.assert_allclose(together[5:6], alone, rtol=1e-4)


def test_ratings_stay_within_the_range_seen(data, model):
    users, items = (x.ravel().astype(np.int32) for x in np.mgrid[-1:USERS, -1:ITEMS])
    found = model.predict_ratings(users, items)
    assert found.dtype == np.float32 and found.min() >= 1.0 and found.max() <= 5.0
    assert model.predict_ratings(users[:0], items[:0]).shape == (0,)


def test_an_unknown_user_is_one_who_did_nothing(data, model):
    dataset, _ = data
    items = np.arange(ITEMS, dtype=np.int32)
    newcomer = replace(dataset, user_ids=Vocabulary((*dataset.user_ids.ids, "new")))
    other = MMNN(model.config.model_copy(update={"epochs": 1})).fit(newcomer)
    known = other.predict_ratings(np.full(ITEMS, USERS, dtype=np.int32), items)
    unknown = other.predict_ratings(np.full(ITEMS, -1, dtype=np.int32), items)
    np.testing.assert_array_equal(known, unknown)


def test_a_user_who_gives_more_stars_is_foretold_more():
    dataset, _ = opinions()
    generous = dataset.train.users < USERS // 2
    train = replace(dataset.train, values=np.where(generous, 4.0, 2.0).astype(np.float32))
    model = MMNN(SMALL.model_copy(update={"epochs": 1})).fit(replace(dataset, train=train))
    users = np.arange(USERS, dtype=np.int32)
    found = model.predict_ratings(users, np.full(USERS, 7, dtype=np.int32))
    assert found[: USERS // 2].min() > found[USERS // 2 :].max() + 1


def test_without_tokens_the_ratings_lose_what_the_text_told(data, model):
    _, test = data
    known = model.predict_ratings(test.users, test.items)
    blind = model.masked({}).predict_ratings(test.users, test.items)
    again = model.masked(data[0].tokens).predict_ratings(test.users, test.items)
    np.testing.assert_array_equal(known, again)
    assert np.square(blind - test.values).mean() > np.square(known - test.values).mean()


def test_clicks_put_what_is_chosen_above_what_is_not(data, model):
    dataset, test = data
    everything = np.tile(np.arange(ITEMS, dtype=np.int32), (len(test), 1))
    chances = model.predict_clicks(dataset.histories(test.users), everything)
    assert ((chances > 0) & (chances < 1)).all()
    gap = (everything - test.users[:, None]) % KINDS
    chosen = chances[np.arange(len(test)), test.items]
    assert (chosen[:, None] > np.where(gap >= 2, chances, 0.0)).mean() > 0.95


def test_no_item_has_no_chance(data, model):
    asked = np.array([[3, -1]], dtype=np.int32)
    chances = model.predict_clicks(data[0].histories(np.array([0], dtype=np.int32)), asked)
    assert chances[0, 0] > 0 and chances[0, 1] == 0
    assert model.predict_clicks(Histories.empty(0), asked[:0]).shape == (0, 2)


@pytest.mark.slow
def test_without_validation_events_the_training_goes_on(data):
    model = MMNN(SMALL).fit(data[0])
    assert model.curve.best_epoch > SMALL.epochs / 2
    assert model.curve.train[-1] < model.curve.train[0]
    assert model.curve.validation == model.curve.train


def test_a_head_that_was_not_asked_for_says_so(data):
    dataset, test = data
    model = MMNN(SMALL.model_copy(update={"tasks": ("retrieval",), "epochs": 1})).fit(dataset)
    with pytest.raises(MissingHeadError, match="'rating' among its tasks"):
        model.predict_ratings(test.users, test.items)
    with pytest.raises(MissingHeadError, match="'click' among its tasks"):
        model.predict_clicks(Histories.empty(1), np.zeros((1, 1), dtype=np.int32))


def test_an_unfitted_model_foretells_nothing():
    one = np.zeros(1, dtype=np.int32)
    with pytest.raises(NotFittedError, match="fit or load"):
        MMNN(SMALL).predict_ratings(one, one)
    with pytest.raises(NotFittedError, match="fit or load"):
        MMNN(SMALL.model_copy(update={"tasks": ALL})).predict_clicks(Histories.empty(), one[None])


@pytest.mark.parametrize("level", ["feature", pytest.param("model", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("tasks", "weights"),
    [
        (("retrieval",), "fixed"),
        (("retrieval", "rating"), "fixed"),
        (("retrieval", "rating"), "uncertainty"),
        (("retrieval", "click"), "fixed"),
        (("retrieval", "click"), "uncertainty"),
        (ALL, "fixed"),
        (ALL, "uncertainty"),
    ],
)
def test_saved_and_loaded_it_answers_the_same(data, level, tasks, weights, tmp_path: Path):
    dataset, test = data
    config = MMNNConfig(
        **{
            **SMALL.model_dump(),
            "epochs": 1,
            "fusion_level": level,
            "tasks": tasks,
            "task_weights": weights,
        }
    )
    model = MMNN(config).fit(dataset)
    model.save(tmp_path)
    loaded = MMNN.load(tmp_path)
    histories = dataset.histories(test.users)
    items = model.recommend(histories, 3).items
    assert loaded.config == config and loaded.task_weights == model.task_weights
    assert set(model.task_weights) == set(tasks)
    np.testing.assert_array_equal(model.score(histories), loaded.score(histories))
    for ours, theirs in zip(
        vars(model.explain(histories, items)).values(),
        vars(loaded.explain(histories, items)).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(
        model.masked({}).score(histories), loaded.masked({}).score(histories)
    )
    if "rating" in tasks:
        asked = test.users, test.items
        np.testing.assert_array_equal(model.predict_ratings(*asked), loaded.predict_ratings(*asked))
    if "click" in tasks:
        asked = histories, items
        np.testing.assert_array_equal(model.predict_clicks(*asked), loaded.predict_clicks(*asked))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"tasks": ("rating",)}, "lacks retrieval, which ranks the items; add it"),
        ({"tasks": ()}, "lacks retrieval"),
        ({"tasks": ("retrieval", "click", "click")}, "names a task twice; name each once"),
        ({"tasks": ("retrieval", "purchase")}, "'retrieval', 'rating' or 'click'"),
        (
            {"tasks": ("retrieval",), "task_weights": "uncertainty"},
            "only retrieval; add a task or set task_weights to fixed",
        ),
        (
            {"fusion_level": "model", "operator": "maximum"},
            "set fusion_level to feature or leave operator out",
        ),
        ({"fusion_level": "late"}, "'feature' or 'model'"),
    ],
)
def test_settings_that_disagree_are_refused_in_one_sentence(wrong, sentence):
    with pytest.raises(ValidationError, match=sentence) as error:
        MMNNConfig(**wrong)
    assert len(error.value.errors()) == 1


def test_the_order_in_which_tasks_are_named_says_nothing():
    assert MMNNConfig(tasks=("rating", "retrieval")) == MMNNConfig()


@pytest.mark.slow
def test_the_weights_of_a_fit_follow_the_losses(data):
    uncertain = {"tasks": ALL, "task_weights": "uncertainty"}
    found = MMNN(SMALL.model_copy(update=uncertain)).fit(data[0]).task_weights
    # From 1 and 1/2 on: the softmax's loss is the largest, and the values are learned in full.
    assert found["retrieval"] < 0.8 and found["rating"] > 0.7
    fixed = MMNN(SMALL.model_copy(update={"tasks": ALL, "epochs": 1})).fit(data[0])
    assert fixed.task_weights == {
        "retrieval": 1.0,
        "rating": SMALL.rating_weight,
        "click": SMALL.click_weight,
    }


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_was_or_will_be_chosen_is_never_drawn_against(seed):
    rng = np.random.default_rng(seed)
    catalogue, ranked = 20, np.sort(rng.choice(20, 12, replace=False))
    events = [
        Events(
            torch.from_numpy(rng.integers(0, catalogue, (5, length))),
            torch.zeros(5, length),
            torch.from_numpy(rng.random((5, length)) < 0.7),
        )
        for length in (6, 3)
    ]
    nothing = torch.zeros(0)
    step = Step(
        users=nothing,
        codes=torch.arange(catalogue)[:, None],
        past=events[0],
        wanted=events[1],
        wanted_rows=events[1].items,
        ranked=torch.from_numpy(ranked),
        ranked_rows=torch.from_numpy(ranked),
        log_inclusion=nothing,
        bias=nothing,
        context=nothing,
    )
    rows, counted = ClickLoss(4, torch.Generator().manual_seed(seed)).pairs(step)
    np.testing.assert_array_equal(rows[..., 0], step.wanted.items)
    np.testing.assert_array_equal(counted[..., 0], step.wanted.present)
    assert not (counted & ~step.wanted.present[:, :, None]).any()
    for user in range(5):
        met = {int(i) for e in events for i in e.items[user][e.present[user]]}
        drawn = rows[user, :, 1:]
        assert set(drawn.flatten().tolist()) <= set(ranked.tolist())
        for item, counts in zip(
            drawn.flatten().tolist(), counted[user, :, 1:].flatten().tolist(), strict=True
        ):
            assert not (counts and item in met)
        there = step.wanted.present[user][:, None] & ~torch.isin(drawn, torch.tensor(sorted(met)))
        assert (counted[user, :, 1:] == there).all()
