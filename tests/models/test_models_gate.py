"""The gate: what it refuses and why, and that it lets honest candidates pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from users_with_tastes import N_ITEMS, tastes

from models.baselines import EASE, ColdStartMap, Popularity
from models.data import Dataset, TokenTable
from models.evaluation import evaluate, paired_difference, simultaneous_intervals
from models.gate import FEWEST_USERS, Limits, Measured, Segment, Verdict, judge, segments_of
from models.gate_health import Health, health
from models.promotion import decide
from models.protocol import Recommender

SOUND = Health()
LIMITS = Limits(samples=500)
seeds = st.integers(0, 1000)


def quality(n_users: int, seed: int, mean: float = 0.3) -> np.ndarray:
    """NDCG@10 of users as it is: mostly 0, else the place of one hit."""
    rng = np.random.default_rng(seed)
    found = rng.random(n_users) < 2 * mean
    return np.where(found, 1 / np.log2(2 + rng.integers(0, 10, n_users)), 0.0)


def judged(
    candidate: np.ndarray,
    incumbent: np.ndarray | None,
    segments: Sequence[Segment] = (),
    coverage: tuple[float, float] = (0.5, 0.5),
    found: Health = SOUND,
    limits: Limits = LIMITS,
) -> Verdict:
    popular = Measured("popularity", np.zeros(len(candidate)))
    before = None if incumbent is None else Measured("before", incumbent, coverage[1])
    return judge(
        Measured("new", candidate, coverage[0]), before, [popular], segments, found, limits
    )


@given(seeds, st.floats(-0.2, 0.2), st.booleans())
def test_by_default_all_users_decide_as_they_always_did(
    seed: int, shift: float, first: bool
) -> None:
    new, old, popular = quality(60, seed) + shift, quality(60, seed + 1), quality(60, seed + 2, 0.1)
    before = None if first else Measured("before", old)
    verdict = judge(
        Measured("new", new), before, [Measured("popularity", popular)], (), SOUND, LIMITS
    )
    expected = decide(new, None if first else old, popular, samples=500)
    assert verdict.promote == expected.promote and verdict.reason == expected.reason


@given(seeds, st.floats(0, 0.3), st.floats(0, 0.3))
def test_a_wider_margin_refuses_no_more(seed: int, one: float, other: float) -> None:
    new, old = quality(40, seed) - 0.15, quality(40, seed + 1)
    low, high = sorted((one, other))
    narrow, wide = (
        judged(new + 1, old + 1, limits=replace(LIMITS, margin=margin)) for margin in (low, high)
    )
    assert wide.promote >= narrow.promote


def test_a_segment_that_loses_is_named_with_its_figures() -> None:
    old = quality(400, 0)
    losing = Segment("new_users", np.arange(400) < 60)
    new = np.where(losing.users, 0.0, old + 0.1)
    verdict = judged(new, old, [losing, Segment("rest", ~losing.users)])
    assert not verdict.promote and len(verdict.faults) == 1
    assert "in the segment new_users it differs from the champion by -0." in verdict.reason
    assert "60 users, wholly below -0.01" in verdict.reason
    figures = {figure.segment: figure for figure in verdict.figures if figure.against == "before"}
    assert figures["all"].passed and figures["rest"].passed and not figures["new_users"].passed
    assert judged(new, None, [losing]).promote, "there is no champion to be worse than"


def test_a_segment_of_few_users_is_shown_and_decides_nothing() -> None:
    old = quality(400, 0)
    few = Segment("cold_items", np.arange(400) < FEWEST_USERS - 1)
    verdict = judged(np.where(few.users, 0.0, old + 0.1), old, [few])
    assert verdict.promote
    (figure,) = (one for one in verdict.figures if one.segment == "cold_items")
    assert not figure.decides and not figure.passed and figure.users == FEWEST_USERS - 1


def test_a_loss_within_the_margin_of_a_segment_passes() -> None:
    old = 0.5 + 0.01 * np.random.default_rng(0).standard_normal(300)
    part = Segment("most_active", np.arange(300) < 100)
    lost = np.where(part.users, old - 0.009, old + 0.1)
    assert judged(lost, old, [part]).promote
    assert not judged(lost, old, [part], limits=replace(LIMITS, segment_margin=0.001)).promote


def test_coverage_and_what_was_not_measured() -> None:
    old = quality(50, 0)
    refused = judged(old, old, coverage=(0.1, 0.41))
    assert not refused.promote
    assert "its lists show 10.0% of the items, less than 50% of what the" in refused.reason
    assert judged(old, old, coverage=(0.21, 0.41)).promote
    assert judged(old, old, coverage=(0.1, float("nan"))).promote
    assert judged(old, old, coverage=(0.1, 0.41), limits=replace(LIMITS, coverage=0.2)).promote


def test_every_reason_is_given_at_once_and_in_a_fixed_order() -> None:
    old = quality(400, 0) + 0.2
    part = Segment("least_active", np.arange(400) < 100)
    found = Health(9, ("some of its scores are not numbers",), {"text": 0.0})
    verdict = judged(np.zeros(400), old, [part], (0.0, 0.5), found)
    assert [fault.split(" ")[0] for fault in verdict.faults] == [
        "some",
        "differs",
        "in",
        "its",
        "it",
    ]
    assert "reads text, but which item has which text changes none" in verdict.reason


def test_a_model_of_another_family_names_no_champion_it_was_not_compared_with() -> None:
    first = judged(quality(50, 0), None, [Segment("new_users", np.ones(50, bool))])
    assert {figure.against for figure in first.figures} == {"popularity"}
    assert not any(figure.decides for figure in first.figures if figure.segment != "all")
    assert judged(quality(50, 0), None, found=Health(9, (), {"image": 0.0})).promote
    assert not judged(quality(50, 0), None, found=Health(9, ("it is broken",))).promote


def test_who_is_in_which_segment() -> None:
    history = np.array([1, 2, 6, 7, 30, 40])
    parts = segments_of(
        history, {"cold_items": history == 7, "missing_image": np.zeros(6, dtype=bool)}
    )
    found = {part.name: np.flatnonzero(part.users).tolist() for part in parts}
    assert found == {
        "new_users": [0, 1],
        "least_active": [0, 1],
        "most_active": [4, 5],
        "cold_items": [3],
    }
    assert segments_of(np.zeros(0, dtype=np.int64), {}) == ()


@given(seeds, st.integers(1, 6))
def test_intervals_for_all_segments_hold_their_means_and_grow_with_their_number(
    seed: int, m: int
) -> None:
    rng = np.random.default_rng(seed)
    differences, members = rng.standard_normal(80), rng.random((80, m)) < 0.4
    members[0] = True
    found = simultaneous_intervals(differences, members, 200, seed)
    for column in range(m):
        mean = differences[members[:, column]].mean()
        assert found.value[column] == pytest.approx(mean)
        assert found.low[column] <= mean <= found.high[column]
    fewer = simultaneous_intervals(differences, members[:, :1], 200, seed)
    assert found.high[0] >= fewer.high[0] - 1e-12
    twice = simultaneous_intervals(differences, np.hstack([members, members]), 200, seed)
    np.testing.assert_allclose(twice.high[:m], found.high, err_msg="the same groups cost nothing")


def test_the_interval_of_one_group_is_about_that_of_a_paired_difference() -> None:
    differences = quality(500, 0) - quality(500, 1)
    found = simultaneous_intervals(differences, np.ones((500, 1), dtype=bool), 2000)
    alone = paired_difference(differences, np.zeros(500), 2000)
    np.testing.assert_allclose([found.low[0], found.high[0]], [alone.low, alone.high], atol=2e-3)


def test_groups_that_do_not_differ_have_no_interval() -> None:
    members = np.ones((30, 2), dtype=bool)
    found = simultaneous_intervals(np.full(30, 0.1), members, 200)
    np.testing.assert_allclose([found.low, found.high], 0.1)


def test_of_equal_candidates_at_most_one_in_twenty_is_refused() -> None:
    n_users, n_pairs = 1000, 200
    rng = np.random.default_rng(0)
    parts = [Segment(f"s{n}", rng.random(n_users) < 0.2) for n in range(7)]
    pairs = [(quality(n_users, 2 * n), quality(n_users, 2 * n + 1)) for n in range(n_pairs)]
    refused = [not judged(new, old, parts).promote for new, old in pairs]
    assert sum(refused) <= n_pairs / 20


# Planted regressions, with real models -----------------------------------------------------------

DATA = tastes()


@dataclass(frozen=True)
class Shown:
    """A fitted model with what the gate reads of it."""

    measured: Measured
    found: Health


def shown(model: Recommender, name: str = "model") -> Shown:
    result = evaluate(
        model, DATA, DATA.validation, split="s", run_id=name, known=DATA.train, categories=None
    )
    values = result.per_user["ndcg", 10]
    (coverage,) = (row.value for row in result.rows if (row.metric, row.k) == ("coverage", 10))
    found = health(model, DATA.histories(), DATA.tokens, ("text", "image"))
    return Shown(Measured(name, values, coverage), found)


POPULAR = shown(Popularity().fit(DATA), "popularity")
CHAMPION = shown(EASE().fit(DATA), "champion")


def against_the_champion(candidate: Shown) -> Verdict:
    return judge(
        candidate.measured, CHAMPION.measured, [POPULAR.measured], (), candidate.found, LIMITS
    )


def relabelled(dataset: Dataset) -> Dataset:
    """The same events, each on the item of another one."""
    items = np.random.default_rng(0).permutation(dataset.train.items)
    return replace(dataset, train=replace(dataset.train, items=items))


def test_shuffled_labels_are_refused_as_worse_than_the_champion() -> None:
    verdict = against_the_champion(shown(EASE().fit(relabelled(DATA))))
    assert not verdict.promote and "differs from the champion by -0." in verdict.reason


def test_a_model_that_only_recommends_the_head_is_refused_for_its_coverage() -> None:
    class Head(EASE):
        """Every user gets the same few items, and yet finds as much as before."""

        def score(self, users, items=None):  # type: ignore[no-untyped-def]
            scores = super().score(users, items)
            scores[:, 10:] = -np.inf
            return scores

    head = shown(Head().fit(DATA))
    equal = replace(head, measured=replace(head.measured, values=CHAMPION.measured.values))
    verdict = against_the_champion(equal)
    assert verdict.faults and all("its lists show" in fault for fault in verdict.faults)


def test_weights_that_are_no_numbers_are_refused_as_such() -> None:
    class Broken(EASE):
        """Its weights diverged."""

        def score(self, users, items=None):  # type: ignore[no-untyped-def]
            scores = super().score(users, items)
            scores[:, 3] = np.nan
            return scores

    found = health(Broken().fit(DATA), DATA.histories(), DATA.tokens, ())
    verdict = against_the_champion(replace(CHAMPION, found=found))
    assert verdict.faults == ("some of its scores are not numbers",)


class TextOnly(ColdStartMap):
    """Says that it reads pictures, and does not."""

    def masked(self, tokens: dict[str, TokenTable]) -> ColdStartMap:  # type: ignore[override]
        return super().masked({**DATA.tokens, "text": tokens["text"]})


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small catalogue is large enough to judge modalities by."""
    monkeypatch.setattr("models.gate_health.FEWEST_ITEMS", N_ITEMS // 3)


def test_a_dead_modality_is_refused_by_name(many: None) -> None:
    alive = health(ColdStartMap().fit(DATA), DATA.histories(), DATA.tokens, ("text", "image"))
    assert not alive.faults and min(alive.changed.values()) >= 0.5
    dead = health(TextOnly().fit(DATA), DATA.histories(), DATA.tokens, ("text", "image"))
    assert dead.changed["text"] > 0.5 and dead.changed["image"] == 0
    verdict = against_the_champion(replace(CHAMPION, found=dead))
    assert verdict.faults == (
        "it reads image, but which item has which image changes none of its scores",
    )


def test_a_modality_with_one_vector_for_all_items_is_refused_by_name(many: None) -> None:
    text = DATA.tokens["text"]
    same = {**DATA.tokens, "text": replace(text, features=np.ones_like(text.features))}
    found = health(ColdStartMap().fit(DATA), DATA.histories(), same, ("text", "image"))
    assert found.faults == ("all items have the same text vector",)


def test_a_catalogue_of_one_category_alone_refuses_nobody(many: None) -> None:
    text = DATA.tokens["text"]
    one_category = replace(text, features=np.ones((len(text.items), 1), dtype=np.float32))
    data = replace(DATA, tokens={"text": text, "attributes": one_category})
    model = ColdStartMap().fit(data)
    found = health(model, data.histories(), data.tokens, ("text", "attributes"))
    assert not found.faults and set(found.changed) == {"text"}


def test_what_reads_nothing_or_little_is_in_order() -> None:
    assert health(EASE().fit(DATA), DATA.histories(), DATA.tokens, ("text",)).changed == {}
    model = ColdStartMap().fit(DATA)
    few = health(model, DATA.histories(), DATA.tokens, ("text", "image", "audio"))
    assert set(few.changed) == {"text"}, "18 pictures are too few"


class Jittered(EASE):
    """As good as the champion: its scores differ by noise."""

    noise = 0

    def score(self, users, items=None):  # type: ignore[no-untyped-def]
        scores = super().score(users, items)
        rng = np.random.default_rng(self.noise)
        return scores + 0.05 * np.ptp(scores) * rng.standard_normal(scores.shape)


def test_of_twenty_honest_candidates_at_most_one_is_refused() -> None:
    candidates = [Jittered().fit(DATA) for _ in range(20)]
    for number, candidate in enumerate(candidates):
        candidate.noise = number
    verdicts = [against_the_champion(shown(candidate)) for candidate in candidates]
    assert sum(not verdict.promote for verdict in verdicts) <= 1
