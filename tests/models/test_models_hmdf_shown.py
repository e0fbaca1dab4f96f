"""What the hybrid's trees learn from items that users were shown and did not choose."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from walking_users import random_walks

from models.data import NEVER, Dataset, Impressions
from models.evaluation import known_events
from models.hmdf import HMDF, HMDFConfig
from models.hmdf.candidates import Candidates
from models.hmdf.shown import NotChosen
from models.hmdf.slices import Fold, time_slices
from models.hmdf.trees import LabelledSlice, TreeData, choose_rounds, fit_trees

DAY = 86_400_000_000
SMALL = HMDFConfig(candidates=15, rounds=40, patience=10, leaf_rows=5, penalty=1.0, threads=1)
walks = partial(random_walks, n_users=40, n_items=60, length=27, held=3)
DATASET = walks()
PARTS = time_slices(DATASET, known_events(DATASET), 3, seed=0)


def impressions(rows: Sequence[tuple[int, int, int, int]]) -> Impressions:
    """Rows of user, item, and the instants at which it was shown and the user acted on it."""
    users, items, shown, acted = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Impressions(users.astype(np.int32), items.astype(np.int32), shown, acted)


def unseen(dataset: Dataset, user: int) -> np.ndarray:
    """Items that the user does not choose."""
    events = known_events(dataset)
    return np.setdiff1d(np.arange(dataset.n_items), events.items[events.users == user])


instants = st.integers(0, 28 * DAY)
shown_rows = st.tuples(
    st.integers(0, 5), st.integers(0, 9), instants, st.one_of(st.just(NEVER), instants)
)


@settings(max_examples=60)
@given(st.lists(shown_rows, max_size=40))
def test_a_slice_has_what_was_shown_in_its_time_and_not_acted_on_as_far_as_it_may_know(
    rows: list[tuple[int, int, int, int]],
) -> None:
    before_judge = PARTS[-1].past
    for part in PARTS:
        found = NotChosen.of(impressions(rows), part, before_judge, DATASET.n_users)
        expected = set()
        for user, item, shown, acted in rows:
            past, labels, known = (
                events.timestamps[events.users == user]
                for events in (part.past, part.labels, before_judge)
            )
            in_time = past.max() < shown <= labels.max()
            if in_time and acted > max(labels.max(), known.max()) and item in part.past.items:
                expected.add((user, item))
        pairs = list(zip(found.users.tolist(), found.items.tolist(), strict=True))
        assert set(pairs) == expected and len(pairs) == len(expected)
        assert found.users.tolist() == sorted(found.users.tolist())


def test_of_very_many_items_that_were_shown_the_last_ones_count() -> None:
    dataset = random_walks(n_users=3, n_items=200, length=27, held=3)
    (*_, part) = time_slices(dataset, known_events(dataset), 3, seed=0)
    items = np.unique(part.past.items)
    shown = impressions([(1, item, 25 * DAY + 60 * at, NEVER) for at, item in enumerate(items)])
    found = NotChosen.of(shown, part, part.past, 3)
    assert len(items) > len(found.items) == 50
    assert set(found.items.tolist()) == set(items[-50:].tolist())


def test_what_was_shown_is_learned_from_and_judges_nothing() -> None:
    rows = [
        (user, item, day * DAY - 1, NEVER)
        for user in range(30)
        for day in (20, 23, 26)
        for item in unseen(DATASET, user)
    ]
    plain = HMDF(SMALL).labelled_slices(DATASET)
    slices = HMDF(SMALL).labelled_slices(replace(DATASET, impressions=impressions(rows)))
    for before, after in zip(plain, slices, strict=True):
        assert before.shown is None and after.shown is not None
        np.testing.assert_array_equal(before.candidates.items, after.candidates.items)
        np.testing.assert_array_equal(before.candidates.features, after.candidates.features)
        np.testing.assert_array_equal(before.chosen, after.chosen)
        found, shown = (
            set(zip(after.users[part.rows].tolist(), part.items.tolist(), strict=True))
            for part in (after.candidates, after.shown)
        )
        assert shown and not found & shown
        assert shown <= {(user, item) for user, item, *_ in rows}
        assert len(shown) == len(after.shown.rows)
        assert after.shown.features.shape[1] == after.candidates.features.shape[1]


def some_slice(seed: int) -> LabelledSlice:
    """Forty users, each with ten candidates; the first number says which one is chosen.

    The second number says nothing of these, but that of ten more that were shown is higher.
    """
    rng = np.random.default_rng(seed)
    rows, items = np.repeat(np.arange(40, dtype=np.int32), 10), np.tile(np.arange(10), 40)
    numbers = rng.random((2, 400, 2)).astype(np.float32)
    numbers[1, :, 1] += 1
    found, shown = (
        Candidates(rows, (items + 10 * further).astype(np.int32), numbers[further])
        for further in (0, 1)
    )
    chosen = np.zeros(400, dtype=bool)
    chosen[np.argmax(numbers[0, :, 0].reshape(40, 10), axis=1) + 10 * np.arange(40)] = True
    everyone, one = np.arange(40, dtype=np.int32), np.ones(40, dtype=np.int32)
    nothing = DATASET.train.take(np.zeros(len(DATASET.train), dtype=bool))
    return LabelledSlice(everyone, found, chosen, one, np.full(40, 9), nothing, shown)


def test_what_users_were_shown_and_did_not_choose_sinks_and_judges_nothing() -> None:
    slices = [some_slice(seed) for seed in range(3)]
    unshown = [replace(part, shown=None) for part in slices]
    fold, falls = Fold((0, 1), 2), []
    for parts in (unshown, slices):
        data = TreeData.of(parts, ("a", "b"), SMALL)
        chosen = choose_rounds(data, [fold], SMALL)
        assert [len(values) for values in chosen.validated] == [40]
        assert chosen.curve.validation[-1] < 0.2, "judged among ten, the first number decides"
        (first, *_) = fit_trees(data, SMALL, chosen.rounds)
        low, high = first.predict(np.array([[0.5, 0.5], [0.5, 1.5]], dtype=np.float32))
        falls.append(low - high)
    assert falls[1] > falls[0] + 0.5, "what was shown had high second numbers"
    assert data.table.num_data() == 2 * sum(int(rows.sum()) for rows in data.judges) == 2400


def test_what_was_shown_at_another_time_changes_no_byte(tmp_path: Path) -> None:
    too_early = [(user, item, -DAY, NEVER) for user in range(40) for item in range(60)]
    too_late = [(user, item, 99 * DAY, NEVER) for user in range(40) for item in range(60)]
    saved = []
    for name, shown in (("none", []), ("elsewhere", too_early + too_late)):
        folder = tmp_path / name
        folder.mkdir()
        HMDF(SMALL).fit(replace(DATASET, impressions=impressions(shown))).save(folder)
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        saved.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert saved[0] == saved[1]
