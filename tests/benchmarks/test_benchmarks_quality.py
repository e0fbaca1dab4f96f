from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assets.datasets import SplitData
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
from benchmarks.quality.registry import HYBRID, registry
from benchmarks.quality.running import Run, answers
from benchmarks.quality.theirs import Skipped
from models.baselines import Popularity
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.evaluation import EvaluationConfig, evaluate
from models.ranking import tie_breaks, top_k
from models.splits import cold_item, global_temporal, user_temporal
from models.splits.names import COLD_ITEM, GLOBAL_TEMPORAL, USER_TEMPORAL

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


def split_of(data: SplitData, name: str) -> SplitData:
    """The same events split in another way."""
    if name == USER_TEMPORAL:
        return data
    parts = [data.dataset.train, data.dataset.validation, data.test]
    columns = [np.concatenate([vars(part)[name] for part in parts]) for name in vars(data.test)]
    order = np.lexsort((columns[3], columns[0]))
    events = Interactions(*(column[order] for column in columns))
    split = cold_item(events, N_ITEMS) if name == COLD_ITEM else global_temporal(events)
    everything = np.ones(N_ITEMS, dtype=bool)
    dataset = replace(
        data.dataset,
        train=events.take(split.train),
        validation=events.take(split.validation),
        context=np.zeros((int(split.train.sum()), 0), dtype=np.float32),
    )
    cold, held = split.test_candidates, split.validation_candidates
    return SplitData(
        name,
        dataset,
        events.take(split.test),
        everything if cold is None else cold,
        everything if held is None else held,
        None,
    )


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
    lists = best_items(
        lambda users, _: scores[users], asked.test_users, asked.known, everything, asked.ties, K
    )
    own = mean_ndcg(
        lists,
        asked.test_users,
        asked.known,
        Events(data.test.users, data.test.items, data.test.values, data.test.timestamps),
    )
    found = measure("x", Answer(lists, np.zeros(0, np.float32), {}), data, CONFIG)
    assert own == pytest.approx(found.per_user.mean())


@given(
    scores=arrays(np.float32, (3, 20), elements=st.sampled_from([-np.inf, 0.0, 0.5, 1.0])),
    candidates=arrays(np.bool_, 20),
    k=st.integers(1, 25),
    seed=st.integers(0, 5),
)
def test_a_peers_list_is_the_one_that_our_ranking_makes_of_its_scores(
    scores: np.ndarray, candidates: np.ndarray, k: int, seed: int
) -> None:
    ties = tie_breaks([f"i{item}" for item in range(20)], seed)
    users = np.arange(3, dtype=np.int32)
    past = Events(users, np.array([4, 9, 2], np.int32), np.ones(3, np.float32), np.zeros(3, int))
    found = best_items(lambda rows, _: scores[rows], users, past, candidates, ties, k)
    known = Histories.of(Interactions(*vars(past).values()), users)
    items = np.flatnonzero(candidates).astype(np.int32)
    ours = top_k(scores[:, items], k, ties, items=items, exclude=known)
    np.testing.assert_array_equal(found, ours.items)


def test_a_peer_that_counts_gives_the_lists_of_our_popularity(data: SplitData) -> None:
    asked = task(data, features(), seed=42)
    theirs_ = tuned_answer(PopularPeer, ({"sign": 1.0},), asked, Budget(1, 60.0, 100))
    entry = next(entry for entry in registry(42) if entry.name == "popularity")
    np.testing.assert_array_equal(theirs_.lists, ours.answer(entry, data, 42).lists)


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


def test_a_missing_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "ENVIRONMENTS", tmp_path)
    built = tmp_path / "cornac" / "bin" / "python"
    built.parent.mkdir(parents=True)
    built.touch()
    theirs.require_environments([entries()["EASE"], entries()["implicit_als"]])
    with pytest.raises(theirs.PeersMissingError, match=r"irspack is missing.*make bench-env"):
        theirs.require_environments([entries()["EASE"], entries()["irspack_ials"]])


def test_the_cold_hybrid_is_validated_as_all_others_are(data: SplitData) -> None:
    given = split_of(data, COLD_ITEM)
    fitted: list[Dataset] = []

    class OwnJudge(Popularity):
        validated = 1.0

        def validated_on(self) -> tuple[np.ndarray, np.ndarray]:
            return np.arange(N_USERS), np.ones(N_USERS)

        def fit(self, dataset: Dataset) -> "OwnJudge":
            fitted.append(dataset)
            super().fit(dataset)
            return self

    cold = [entry for entry in registry(42) if COLD_ITEM in entry.splits]
    hybrid = next(entry for entry in cold if entry.name == HYBRID)
    popular = next(entry for entry in cold if entry.name == "popularity")
    answer = ours.answer(replace(hybrid, build=lambda *_: OwnJudge(42)), given, 42)
    beside = ours.answer(popular, given, 42)
    assert answer.facts["validation"] == beside.facts["validation"] < 1
    first, last = fitted
    assert not len(first.validation) and not len(last.validation)
    assert not (given.validation_candidates | given.candidates)[first.train.items].any()
    assert not given.candidates[last.train.items].any()
    assert given.validation_candidates[last.train.items].any()


def test_a_window_counts_its_own_days_alone(data: SplitData) -> None:
    early, late = 5, 40
    users = np.arange(N_USERS, dtype=np.int32)
    items = np.where(users < 8, early, late).astype(np.int32)
    days = np.where(users < 8, 0, 100).astype(np.int64)
    train = Interactions(users, items, np.ones(N_USERS, np.float32), days * 86_400_000_000)
    context = np.zeros((N_USERS, 0), dtype=np.float32)
    dataset = replace(data.dataset, train=train, context=context)
    entries_ = {entry.name: entry for entry in registry(42)}
    first = {}
    for name in ("recent_popularity_90d", "recent_popularity_365d"):
        entry = entries_[name]
        model = entry.build(dataset, entry.grid[0]).fit(dataset)
        first[name] = int(model.score(Histories.of(train, users[:1])).argmax())
    assert first == {"recent_popularity_90d": late, "recent_popularity_365d": early}


def test_counting_models_answer_after_one_cut_in_time(data: SplitData, tmp_path: Path) -> None:
    given = split_of(data, GLOBAL_TEMPORAL)
    names = {"popularity", "recent_popularity_7d", "ease", "transition"}
    run = Run(tmp_path, 42, frozenset(names), ())
    material = Material(*[None] * 5)  # type: ignore[arg-type]
    found = {one.name: one.answer for one in islice(answers(run, given, material), len(names))}
    assert found.keys() == names
    for name, answer in found.items():
        assert isinstance(answer, Answer), answer
        assert len(measure(name, answer, given, CONFIG).per_user) == len(answer.lists)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("MostPop", USER_TEMPORAL),
        ("implicit_als", USER_TEMPORAL),
        ("GRU4Rec", USER_TEMPORAL),
        ("vbpr", COLD_ITEM),
        ("eSASRec", USER_TEMPORAL),
        ("eSASRec", GLOBAL_TEMPORAL),
        ("HSTU", USER_TEMPORAL),
        ("rectools_BERT4Rec", USER_TEMPORAL),
        ("rectools_two_stage", USER_TEMPORAL),
        ("irspack_ials", USER_TEMPORAL),
        ("irspack_feature_ials", COLD_ITEM),
    ],
)
def test_a_peer_answers_in_its_own_environment(data: SplitData, name: str, split: str) -> None:
    entry = entries()[name]
    if not theirs.python_of(entry.environment).is_file():
        pytest.skip(f"the peers' environment {entry.environment} (make bench-env) is absent")
    given = split_of(data, split)
    found = theirs.answer(entry, task(given, features(), seed=7), _QUICK.get(name, entry.grid[0]))
    assert isinstance(found, Answer), found
    assert (found.lists >= 0).any(axis=1).mean() > 0.5
    measured = measure(name, found, given, CONFIG)
    assert len(measured.per_user) == len(found.lists)
    assert found.facts["library"].startswith(entry.library)


_SMALL = {"n_factors": 16, "n_blocks": 1, "n_heads": 1, "session_max_len": 10, "epochs": 1}
_QUICK: dict[str, Settings] = {
    "eSASRec": {**_SMALL, "n_negatives": 8},
    "HSTU": _SMALL,
    "rectools_BERT4Rec": _SMALL,
    "rectools_two_stage": {
        "candidates": 20,
        "last": 2,
        "negatives": 10,
        "ranker": "lightgbm",
        "trees": 5,
        "learning_rate": 0.1,
        "esasrec": {**_SMALL, "n_negatives": 8},
    },
}
"""Settings under which a network takes seconds."""
