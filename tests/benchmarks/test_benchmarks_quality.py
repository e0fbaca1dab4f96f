from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from assets.datasets import USER_TEMPORAL, SplitData
from benchmarks._tokens import Material
from benchmarks.peers.catalogue import entries
from benchmarks.peers.exchange import (
    Answer,
    Events,
    read_answer,
    read_task,
    write_answer,
    write_task,
)
from benchmarks.peers.ranking import best_items, mean_ndcg
from benchmarks.peers.tuning import Budget, Settings
from benchmarks.peers.tuning import answer as tuned_answer
from benchmarks.quality import ours, theirs
from benchmarks.quality.comparing import compare
from benchmarks.quality.handover import K, task
from benchmarks.quality.measuring import ListError, measure
from benchmarks.quality.registry import registry
from benchmarks.quality.running import Run, answers
from benchmarks.quality.theirs import Skipped
from models.baselines import Popularity
from models.data import Dataset, Interactions, TokenTable, Vocabulary
from models.evaluation import EvaluationConfig, evaluate
from models.splits import user_temporal

N_USERS, N_ITEMS = 12, 60
CONFIG = EvaluationConfig(samples=50)


@pytest.fixture(scope="module")
def data() -> SplitData:
    """Users who choose from two halves of the catalogue, item 0 most of all."""
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(N_USERS, dtype=np.int32), 20)
    chosen = [
        rng.choice(np.arange(user % 2 * 30, user % 2 * 30 + 30), 20, replace=False)
        for user in range(N_USERS)
    ]
    times = np.tile(np.arange(20, dtype=np.int64), N_USERS)
    items = np.concatenate(chosen).astype(np.int32)
    events = Interactions(users, items, np.ones(len(users), dtype=np.float32), times)
    split = user_temporal(events, N_USERS)
    dataset = Dataset(
        Vocabulary(tuple(f"u{user}" for user in range(N_USERS))),
        Vocabulary(tuple(f"i{item}" for item in range(N_ITEMS))),
        events.take(split.train),
        events.take(split.validation),
        {},
        np.zeros((int(split.train.sum()), 0), dtype=np.float32),
    )
    everything = np.ones(N_ITEMS, dtype=bool)
    test = events.take(split.test)
    return SplitData(USER_TEMPORAL, dataset, test, everything, everything, None)


def features() -> np.ndarray:
    return np.eye(N_ITEMS, 5, dtype=np.float32)


class PopularPeer:
    def __init__(self, settings: Settings, seed: int) -> None:
        self.sign = settings["sign"]

    def fit(self, events: Events, task) -> None:
        self.counts = np.bincount(events.items, minlength=task.n_items).astype(np.float32)

    def score(self, users, histories):
        return np.tile(self.sign * self.counts, (len(users), 1))

    def predict(self, users, items):
        raise NotImplementedError


def test_a_task_comes_back_as_it_was_handed_over(data: SplitData, tmp_path: Path) -> None:
    asked = task(data, features(), seed=7)
    write_task(tmp_path / "task.npz", asked)
    found = read_task(tmp_path / "task.npz")
    for field in fields(asked):
        own, back = getattr(asked, field.name), getattr(found, field.name)
        if isinstance(own, Events):
            own, back = (np.stack([vars(part)[key] for key in vars(own)]) for part in (own, back))
        np.testing.assert_array_equal(own, back)


def test_an_answer_comes_back_as_it_was_given(tmp_path: Path) -> None:
    given = Answer(np.arange(6, dtype=np.int32).reshape(2, 3), np.zeros(0, np.float32), {"a": [1]})
    write_answer(tmp_path / "answer.npz", given)
    found = read_answer(tmp_path / "answer.npz")
    np.testing.assert_array_equal(found.lists, given.lists)
    assert found.facts == given.facts


def test_nothing_of_the_test_is_handed_over(data: SplitData) -> None:
    asked = task(data, features(), seed=7)
    held_out = set(zip(data.test.users.tolist(), data.test.items.tolist(), strict=True))
    given = set(zip(asked.known.users.tolist(), asked.known.items.tolist(), strict=True))
    assert not held_out & given
    assert len(asked.test_items) == 0


def test_lists_measure_like_the_model_that_made_them(data: SplitData) -> None:
    model = Popularity().fit(data.dataset)
    direct = evaluate(model, data.dataset, data.test, split=data.name, run_id="x", config=CONFIG)
    entry = next(entry for entry in registry(42) if entry.name == "popularity")
    listed = measure("x", ours.answer(replace(entry, refits=False), data, 42), data, CONFIG)
    wanted = {(row.segment, row.metric, row.k): row.value for row in direct.rows}
    found = {(row.segment, row.metric, row.k): row.value for row in listed.rows}
    assert found == wanted


def test_the_peers_choose_by_the_figure_that_is_measured(data: SplitData) -> None:
    asked = task(data, features(), seed=7)
    rng = np.random.default_rng(0)
    scores = rng.random((N_USERS, N_ITEMS))
    everything = np.ones(N_ITEMS, dtype=bool)
    lists = best_items(lambda users, _: scores[users], asked.test_users, asked.known, everything, K)
    own = mean_ndcg(
        lists,
        asked.test_users,
        asked.known,
        Events(data.test.users, data.test.items, data.test.values, data.test.timestamps),
    )
    found = measure("x", Answer(lists, np.zeros(0, np.float32), {}), data, CONFIG)
    assert own == pytest.approx(found.per_user.mean())


def test_a_peer_is_tuned_on_validation_and_learns_from_all_known_events(data: SplitData) -> None:
    asked = task(data, features(), seed=7)
    grid = ({"sign": -1.0}, {"sign": 1.0})
    found = tuned_answer(PopularPeer, grid, asked, Budget(2, 60.0, 100))
    scores = [trial["validation"] for trial in found.facts["tried"]]
    assert found.facts["settings"] == grid[int(np.argmax(scores))]
    measure("x", found, data, CONFIG)
    once = tuned_answer(PopularPeer, grid, asked, Budget(1, 60.0, 100))
    assert [trial["settings"] for trial in once.facts["tried"]] == [grid[0]]
    assert once.facts["configurations_left"] == 1


@pytest.mark.parametrize("fault", ["repeated", "known", "not a candidate", "shape"])
def test_lists_that_no_model_may_give_are_refused(data: SplitData, fault: str) -> None:
    asked = task(data, features(), seed=7)
    found = tuned_answer(PopularPeer, ({"sign": 1.0},), asked, Budget(1, 60.0, 100))
    lists, judged = found.lists.copy(), data
    if fault == "repeated":
        lists[0, 1] = lists[0, 0]
    elif fault == "known":
        lists[0, 0] = asked.known.histories(asked.test_users[:1])[0][0]
    elif fault == "shape":
        lists = lists[1:]
    else:
        candidates = data.candidates.copy()
        candidates[lists[0, 0]] = False
        judged = replace(data, candidates=candidates)
    with pytest.raises(ListError):
        measure("x", Answer(lists, found.predictions, {}), judged, CONFIG)


def test_events_that_tie_keep_training_before_validation() -> None:
    def events(item: int) -> Events:
        return Events(
            np.zeros(1, np.int32),
            np.full(1, item, np.int32),
            np.ones(1, np.float32),
            np.zeros(1, int),
        )

    assert events(5).and_then(events(3)).items.tolist() == [5, 3]


def test_the_best_model_is_held_against_every_other_one() -> None:
    rng = np.random.default_rng(0)
    good, bad = 0.5 + rng.random(200), rng.random(200)
    segments = {"all": np.ones(200, bool), "recency-day": np.arange(200) < 100}
    rows = compare("good", {"good": good, "bad": bad, "twin": good}, segments, "s", CONFIG)
    assert {(row["other"], row["segment"]) for row in rows} == {
        (other, segment) for other in ("bad", "twin") for segment in segments
    }
    beside = {row["other"]: row for row in rows if row["segment"] == "all"}
    assert beside["bad"]["ci_low"] > 0 and beside["bad"]["ratio_low"] > 1
    assert beside["twin"]["ratio"] == 1 and beside["twin"]["p_holm"] == 1


def test_a_hybrid_with_nothing_to_learn_from_does_not_end_the_run(
    data: SplitData, tmp_path: Path
) -> None:
    few = replace(data.dataset.train, users=np.arange(len(data.dataset.train), dtype=np.int32))
    n_users = len(few)
    alone = replace(
        data.dataset,
        user_ids=Vocabulary(tuple(f"u{user}" for user in range(n_users))),
        train=few,
        validation=data.dataset.validation.take(np.zeros(len(data.dataset.validation), bool)),
    )
    run = Run(tmp_path, 42, frozenset({"hmdf", "popularity"}), ())
    material = Material(*[None] * 5)  # type: ignore[arg-type]
    given = list(islice(answers(run, replace(data, dataset=alone), material), 2))
    assert [one.name for one in given] == ["popularity", "hmdf"]
    assert isinstance(given[0].answer, Answer)
    assert isinstance(given[1].answer, Skipped) and "two slices" in given[1].answer.reason
    assert not given[1].answer.failed


def test_a_model_that_fails_is_listed_and_the_run_goes_on(data: SplitData, tmp_path: Path) -> None:
    beyond = np.arange(1, N_ITEMS + 1, dtype=np.int32)
    ones = np.ones((N_ITEMS, 4), dtype=np.float32)
    table = TokenTable(N_ITEMS, beyond, np.zeros(N_ITEMS, dtype=np.int64), ones)
    given = replace(data, dataset=data.dataset.with_tokens({"text": table}))
    run = Run(tmp_path, 42, frozenset({"content_text", "ease"}), ())
    material = Material(*[None] * 5)  # type: ignore[arg-type]
    found = {one.name: one.answer for one in islice(answers(run, given, material), 2)}
    assert found.keys() == {"content_text", "ease"}
    assert all(isinstance(one, Skipped) and one.failed for one in found.values())
    assert all("out of bounds" in one.reason for one in found.values())


def test_names_are_told_apart() -> None:
    named = [*registry(42), *entries().values()]
    names = [(entry.name, split) for entry in named for split in entry.splits]
    assert len(set(names)) == len(names)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MostPop", "implicit_als", "GRU4Rec", "vbpr"])
def test_a_peer_answers_in_its_own_environment(data: SplitData, name: str) -> None:
    if not theirs.PYTHON.is_file():
        pytest.skip("the peers' environment (make bench-env) is absent")
    found = theirs.answer(
        replace(entries()[name], budget=Budget(1, 1.0, 100)), task(data, features(), seed=7)
    )
    assert isinstance(found, Answer), found
    measured = measure(name, found, data, CONFIG)
    assert measured.per_user.shape == (len(np.unique(data.test.users)),)
    assert found.facts["fit_s"] >= 0
