"""Models fitted again to all that is known, and what keeps an unsound one from answering."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking_users import random_walks

from models.baselines import (
    ALS,
    EASE,
    ColdStartMap,
    Content,
    ContentConfig,
    ItemKNN,
    Popularity,
    RandomRanking,
    RecentPopularity,
    Transition,
    TransitionConfig,
)
from models.catalogue.families import load_model
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import known_events
from models.gat import GAT, GATConfig
from models.mmnn import MMNN, MMNNConfig
from models.persistence import NotFittedError, load_state, save_state
from models.protocol import Refittable
from models.refitting import RefitLimits, soundness, worth_of_newest
from models.transformer import Transformer, TransformerConfig

LENIENT = RefitLimits(overlap=0.2, seconds=60.0, k=5)

COUNTING: dict[str, Callable[[], Refittable]] = {
    "random": lambda: RandomRanking(7),
    "popularity": lambda: Popularity(7),
    "recent_popularity": RecentPopularity,
    "item_knn": ItemKNN,
    "ease": EASE,
    "transition": lambda: Transition(TransitionConfig(last=2, seed=7)),
    "als": ALS,
    "cold_start_map": ColdStartMap,
    "content": lambda: Content(ContentConfig(half_life=3, seed=7)),
}
NETWORKS: dict[str, Callable[[], Refittable]] = {
    "mmnn": lambda: MMNN(MMNNConfig(dim=8, epochs=6, patience=2, batch_size=64)),
    "transformer": lambda: Transformer(
        TransformerConfig(dim=16, heads=2, components=8, epochs=6, patience=2, history=10)
    ),
    "gat": lambda: GAT(
        GATConfig(dim=16, user_heads=2, epochs=6, patience=2, batch_size=64, components=8)
    ),
}


def world(seed: int = 0, **size: int) -> Dataset:
    """Walks over items of which a text says the place."""
    dataset = random_walks(seed=seed, **size)
    angle = 2 * np.pi * np.arange(dataset.n_items) / dataset.n_items
    text = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    everything = np.arange(dataset.n_items, dtype=np.int32)
    rows = TokenTable(dataset.n_items, everything, np.zeros(dataset.n_items, np.int64), text)
    return replace(dataset, tokens={"text": rows})


def all_known(dataset: Dataset) -> Dataset:
    """Training and validation events to learn from, none held back."""
    known = known_events(dataset)
    return replace(
        dataset,
        train=known,
        validation=known.take(np.zeros(len(known), dtype=bool)),
        context=np.zeros((len(known), dataset.context.shape[1]), np.float32),
    )


@pytest.mark.parametrize("name", sorted(COUNTING))
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_counting_model_refitted_is_one_fitted_to_everything(name: str, seed: int) -> None:
    dataset = world(seed)
    whole, users = all_known(dataset), dataset.histories()
    judged = COUNTING[name]().fit(dataset)
    before = judged.score(users).copy()
    refit = judged.refitted(whole)
    np.testing.assert_array_equal(refit.score(users), COUNTING[name]().fit(whole).score(users))
    np.testing.assert_array_equal(judged.score(users), before)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_trains_as_long_and_by_the_same_steps_as_validation_let_it(
    name: str, tmp_path: Path
) -> None:
    dataset = world(n_users=20, n_items=20, length=10)
    users = dataset.histories()
    judged = NETWORKS[name]().fit(dataset)
    assert judged.curve.best_epoch == judged.trained_epochs
    nothing = dataset.validation.take(np.zeros(len(dataset.validation), dtype=bool))
    # On the events of the judged fit the same steps lead to the same weights.
    same = judged.refitted(replace(dataset, validation=nothing))
    np.testing.assert_array_equal(same.score(users), judged.score(users))
    judged.save(tmp_path)
    whole = all_known(dataset)
    refit, of_saved = judged.refitted(whole), load_model(tmp_path).refitted(whole)
    assert len(refit.curve.train) == refit.trained_epochs == judged.trained_epochs
    np.testing.assert_array_equal(refit.score(users), of_saved.score(users))
    if judged.trained_epochs:
        assert not np.array_equal(refit.score(users), judged.score(users))


@pytest.mark.parametrize(("wanted", "worth"), [(20, -1.0), (21, 1.0)])
def test_what_the_newest_events_are_worth_is_what_validation_says_of_them(
    wanted: int, worth: float
) -> None:
    # All have items 0 to 17 in common. A few liked item 20 before; of late items 21 to 23 are liked
    # more, by the second half of the users. The first half is asked what it liked next.
    shared = [(user, item, item) for user in range(40) for item in range(18)]
    before = [(user, 20, 18) for user in range(20, 24)]
    late = [(user, 21 + user % 3, 30 + place) for user in range(20, 40) for place in range(2)]
    settled = [(user, item, 30) for user in range(20) for item in (18, 19)]
    train = _events(shared + before + late + settled)
    asked = _events([(user, wanted, 50) for user in range(20)])
    ids = (Vocabulary(tuple(map(str, range(n)))) for n in (40, 24))
    dataset = Dataset(*ids, train, asked, {}, np.zeros((len(train), 0), np.float32))

    found = worth_of_newest(Popularity().fit(dataset), dataset)

    assert found.mean * worth > 0 and found.low * worth > 0 and found.high * worth > 0


def _events(rows: list[tuple[int, int, int]]) -> Interactions:
    """Users, items and days, sorted by user, then time."""
    users, items, days = np.array(sorted(rows, key=lambda row: (row[0], row[2]))).T
    ones = np.ones(len(users), dtype=np.float32)
    return Interactions(
        users.astype(np.int32), items.astype(np.int32), ones, days.astype(np.int64) * 86_400_000_000
    )


def test_nobody_knows_how_long_an_unfitted_model_or_an_old_one_trains(tmp_path: Path) -> None:
    dataset = world()
    for model in (MMNN(), Transformer(), GAT(), Popularity()):
        with pytest.raises(NotFittedError):
            model.refitted(dataset)
    MMNN(MMNNConfig(dim=8, epochs=1)).fit(dataset).save(tmp_path)
    arrays, described = load_state(tmp_path, family="mmnn")
    arrays = {name: array.copy() for name, array in arrays.items()}
    del described["trained_epochs"]
    save_state(tmp_path, arrays, described, family="mmnn")
    with pytest.raises(NotFittedError, match="how long it trained"):
        load_model(tmp_path).refitted(dataset)


@pytest.mark.parametrize("name", ["transition", "popularity", "content"])
def test_a_sound_refit_may_answer(name: str) -> None:
    dataset = world()
    judged = COUNTING[name]().fit(dataset)
    found = soundness(judged.refitted(all_known(dataset)), judged, dataset.histories(), LENIENT)
    assert found.faults == () and found.overlap > 0.2 and found.seconds > 0
    same = soundness(judged, judged, dataset.histories(), RefitLimits(1.0, 60.0, 5))
    assert same.overlap == 1 and same.faults == ()


class Broken(Popularity):
    """A fit whose numbers came to nothing."""

    def score(self, users: Histories, items: Any = None) -> Any:
        return np.full_like(super().score(users, items), np.nan)


class Forgetful(Popularity):
    """Scores the one item that was chosen most, and no other; nothing for a newcomer."""

    def score(self, users: Histories, items: Any = None) -> Any:
        scores = super().score(users, items)
        told = (scores == scores.max()) & (users.users[:, None] >= 0)
        return np.where(told, scores, np.float32(-np.inf))


def test_what_is_wrong_with_a_refit_is_said() -> None:
    dataset = world()
    users = dataset.histories()
    judged = Popularity().fit(dataset)

    def faults(model: Any, limits: RefitLimits = LENIENT) -> str:
        return "; ".join(soundness(model, judged, users, limits).faults)

    assert "no numbers" in faults(Broken().fit(dataset))
    short = faults(Forgetful().fit(dataset))
    assert f"{len(users)} of {len(users)} users get fewer than 5" in short
    assert "a newcomer gets no whole list" in short
    other = faults(RandomRanking().fit(dataset), replace(LENIENT, overlap=0.9))
    assert "share" in other and "90%" in other
    assert "s, more than 0.000 s" in faults(judged, replace(LENIENT, seconds=1e-9))


def test_without_users_only_the_newcomer_is_asked() -> None:
    dataset = world()
    judged = Popularity().fit(dataset)
    nobody = dataset.histories(np.zeros(0, np.int32))
    found = soundness(judged, judged, nobody, LENIENT)
    assert found.faults == () and np.isnan(found.overlap)


@pytest.mark.parametrize("others", [0, 3])
def test_who_had_every_item_says_nothing_of_the_lists(others: int) -> None:
    dataset = world()
    judged = Popularity().fit(dataset)
    n = dataset.n_items
    everything = np.arange(n, dtype=np.int32)
    offsets = np.array([0, n, *[n] * others])
    whole = Histories(
        offsets,
        everything,
        np.ones(n, np.float32),
        np.arange(n),
        np.arange(1 + others, dtype=np.int32),
    )
    found = soundness(judged, judged, whole, LENIENT)
    assert found.faults == ()
    assert np.isnan(found.overlap) if not others else found.overlap == 1
