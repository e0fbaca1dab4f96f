"""Which model validation chooses, and what the test events say of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from walking_users import random_walks

from models.baselines import Popularity, Transition
from models.data import Dataset, Floats, Ints
from models.evaluation import ValidatedUsersError, evaluate, own_validation
from models.promotion import against_all, better, choose, confirmed, is_better
from models.protocol import SelfValidated

SAMPLES = 10_000


def test_validation_chooses_and_names_what_comes_next() -> None:
    found = choose({"als": 0.1406, "hmdf": 0.17123, "popularity": 0.02})
    assert found.model == "hmdf"
    assert found.said == "hmdf has the best validation NDCG@10 (.1712; next als .1406)"
    assert choose({"b": 0.5, "a": 0.5}).model == "a"
    assert choose({"only": 1.0}).said == "only has the best validation NDCG@10 (1.0000)"


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 1), min_size=1))
def test_nothing_is_better_on_validation_than_what_is_chosen(means: dict[str, float]) -> None:
    found = choose(means)
    assert means[found.model] == found.value == max(means.values())


def test_only_what_is_surely_better_beats_the_champion() -> None:
    rng = np.random.default_rng(0)
    own = rng.random(300)
    others = {
        "better": own + 0.05 + 0.01 * rng.standard_normal(300),
        "best": own + 0.10 + 0.01 * rng.standard_normal(300),
        "alike": own + 0.2 * rng.standard_normal(300),
        "worse": own - 0.1,
        "equal": own,
    }
    found = against_all(own, others, samples=SAMPLES)
    assert better(found) == ["best", "better"]
    assert found["worse"].difference == pytest.approx(0.1)
    said = confirmed(found)
    assert said.startswith("on the test events best is better by +0.0996 [") and "p = 0.0" in said
    assert "300 users" in is_better("better", found["better"])
    rest = against_all(own, {"alike": others["alike"], "equal": own}, samples=SAMPLES)
    assert (
        better(rest) == []
        and confirmed(rest) == "no model is better beyond chance on the test events"
    )
    assert against_all(own, {}, samples=SAMPLES) == {}


@given(st.integers(1, 12), st.integers(0, 100))
def test_looking_at_more_models_makes_none_of_them_better(n_models: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = rng.random(40)
    others = {f"m{n}": own + 0.1 * rng.standard_normal(40) for n in range(n_models)}
    found = against_all(own, others, samples=500)
    for name, one in found.items():
        alone = against_all(own, {name: others[name]}, samples=500)[name]
        assert one.p_holm >= alone.p_holm - 1e-12
        assert (name in better(found)) <= (name in better({name: alone}))


class HeldBack(Transition):
    """Learns from training and validation, and is judged by a part that saw the training alone."""

    name = "held_back"
    left_out = 0

    def fit(self, dataset: Dataset) -> "HeldBack":
        inner = Transition(self.config).fit(dataset)
        found = evaluate(
            inner,
            dataset,
            dataset.validation,
            split="user-temporal",
            run_id="own",
            known=dataset.train,
        )
        order = np.random.default_rng(0).permutation(len(found.users))[self.left_out :]
        self._own = (found.users[order], found.per_user["ndcg", 10][order].astype(np.float32))
        self.validated = float(self._own[1].mean())
        return super().fit(dataset)

    def validated_on(self) -> tuple[Ints, Floats]:
        return self._own


def test_a_model_that_judges_itself_stands_in_the_rows_of_the_others() -> None:
    dataset = random_walks()
    model = HeldBack().fit(dataset)
    assert isinstance(model, SelfValidated) and not isinstance(Popularity(), SelfValidated)
    users, values = own_validation(model, dataset)
    other = evaluate(
        Popularity().fit(dataset),
        dataset,
        dataset.validation,
        split="user-temporal",
        run_id="other",
        known=dataset.train,
    )
    np.testing.assert_array_equal(users, other.users)
    assert values.mean() == pytest.approx(model.validated)


def test_a_model_that_judged_itself_on_other_users_is_refused() -> None:
    dataset = random_walks()

    class Fewer(HeldBack):
        left_out = 3

    with pytest.raises(ValidatedUsersError, match=r"47 users, where 50 .* it lacks 3"):
        own_validation(Fewer().fit(dataset), dataset)
    fewer = replace(dataset, validation=dataset.validation.take(dataset.validation.users < 40))
    with pytest.raises(ValidatedUsersError, match="has besides 10"):
        own_validation(HeldBack().fit(dataset), fewer)
    unmeasured = HeldBack().fit(dataset)
    unmeasured._own[1][0] = np.nan
    with pytest.raises(ValidatedUsersError, match="outside 0 to 1"):
        own_validation(unmeasured, dataset)
