"""The search for settings: where it looks, what it sees, and that it can be stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking_users import random_walks

from crossmodal.store_errors import StoreError
from models.baselines import Transition, TransitionConfig
from models.catalogue import CATALOGUE, SPACES, UnknownModelError, entry_of, require_models
from models.catalogue.families import family_class
from models.catalogue.space import OneOf, Parameter, Real, Space, Whole, nested
from models.data import Dataset
from models.hmdf import HMDF, HMDFConfig
from models.mmnn import MMNN, MMNNConfig
from models.protocol import Trainable
from models.search import BestSettings, BestSettingsError, read_best, write_best
from models.search.best_settings import committed
from models.search.objective import (
    NothingToJudgeError,
    Objective,
    trees_objective,
    validation_objective,
)
from models.search.study import Budget, Trial, best_trial, search
from models.training import DivergedError, Epoch
from models.validation import validation_loss

TRANSITIONS = SPACES["transition"]
DEFAULTS = TRANSITIONS.chosen(TransitionConfig())
PLENTY = 1e9


def transitions(dataset: Dataset) -> Objective:
    return validation_objective(
        lambda chosen, on_epoch: Transition(TransitionConfig(**chosen)), dataset
    )


def searched(
    store: Path,
    objective: Objective,
    trials: int,
    *,
    space: Space = TRANSITIONS,
    seconds: float = PLENTY,
    seed: int = 1,
) -> tuple[Trial, ...]:
    defaults = space.chosen(TransitionConfig())
    budget = Budget(trials, seconds)
    return search("s", space, objective, store, defaults=defaults, budget=budget, seed=seed)


def figures(trials: tuple[Trial, ...]) -> list[tuple[object, ...]]:
    return [(trial.number, trial.state, trial.value, trial.settings) for trial in trials]


def drawn(parameter: Parameter) -> st.SearchStrategy[object]:
    if isinstance(parameter, OneOf):
        return st.sampled_from(parameter.values)
    if isinstance(parameter, Whole):
        return st.integers(parameter.low, parameter.high)
    return st.floats(parameter.low, parameter.high)


def test_every_entry_builds_a_model_of_the_class_that_loads_it() -> None:
    for entry in CATALOGUE:
        model = entry.build({**entry.fixed, "seed": 7})
        assert family_class(entry.family or entry.name) is type(model)
        assert isinstance(model, Trainable)


def test_names_of_models_that_are_not_there_are_named_with_those_that_are() -> None:
    with pytest.raises(UnknownModelError, match=r"no model 'eaze'.*ease"):
        entry_of("eaze")
    with pytest.raises(UnknownModelError, match=r"CROSSMODAL_EXTRA_MODELS names ease.*gat, t"):
        require_models("extra_models", ("gat", "ease"), ("transformer", "gat"))


@pytest.mark.parametrize("family", SPACES)
def test_the_defaults_lie_in_the_space(family: str) -> None:
    space = SPACES[family]
    defaults = space.chosen(entry_of(family).config_class()())
    assert set(defaults) == set(space.parameters)
    assert space.unknown(nested(defaults)) == []


@pytest.mark.parametrize("family", SPACES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_a_space_holds_is_a_config(family: str, data: st.DataObject) -> None:
    space = SPACES[family]
    values = {name: data.draw(drawn(one), name) for name, one in space.parameters.items()}
    config = entry_of(family).config_class()(**nested(values))
    assert space.chosen(config) == values
    assert space.unknown(nested(values)) == []


@pytest.mark.parametrize("family", SPACES)
def test_the_corners_of_a_space_are_configs(family: str) -> None:
    space = SPACES[family]
    for last in (0, -1):
        values = {
            name: one.values[last] if isinstance(one, OneOf) else (one.low, one.high)[last]
            for name, one in space.parameters.items()
        }
        config = entry_of(family).config_class()(**nested(values))
        assert space.chosen(config) == values


def test_a_wrong_name_and_a_value_out_of_bounds_are_told() -> None:
    assert SPACES["ease"].unknown({"strength": 1e9, "depth": 3, "decay": 0.9}) == [
        "depth",
        "strength",
    ]


def test_a_search_begins_with_the_defaults_and_ends_no_worse(tmp_path: Path) -> None:
    data = random_walks()
    trials = searched(tmp_path / "store.db", transitions(data), 8)
    first, best = trials[0], best_trial(trials)
    assert first.settings == DEFAULTS
    model = Transition().fit(data)
    assert first.value == pytest.approx(1 - validation_loss(data, model, 42)())
    assert best is not None and best.value >= first.value
    again = Transition(TransitionConfig(**best.settings)).fit(data)
    assert best.value == pytest.approx(1 - validation_loss(data, again, 42)())


def test_a_damaged_store_is_one_sentence(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    store.write_bytes(b"no such file is written " * 100)
    with pytest.raises(StoreError, match=f"^{store} is damaged: .* without the trials of earlier"):
        searched(store, lambda chosen, on_epoch: 0.0, 1)


def test_the_best_of_equals_is_the_first() -> None:
    tied = [Trial(n, "complete", value, {}, 1.0) for n, value in enumerate((0.1, 0.2, 0.2))]
    pruned = Trial(3, "pruned", 0.9, {}, 1.0)
    assert best_trial([*tied, pruned]) == tied[1]
    assert best_trial([pruned]) is None


@pytest.mark.slow
def test_the_same_seed_tries_the_same_and_another_seed_something_else(tmp_path: Path) -> None:
    data = random_walks()
    one, two, other = (
        searched(tmp_path / f"{n}.db", transitions(data), 8, seed=seed)
        for n, seed in enumerate((1, 1, 2))
    )
    assert figures(one) == figures(two)
    assert figures(one)[0] == figures(other)[0]
    assert not set(map(str, figures(one)[1:])) & set(map(str, figures(other)[1:]))


class Killed(BaseException):
    """What a signal does to a process."""


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    value, asked = transitions(random_walks()), []

    def dies(number: int) -> Objective:
        def objective(chosen, on_epoch):
            asked.append(chosen)
            if len(asked) == number:
                raise Killed
            return value(chosen, on_epoch)

        return objective

    whole = searched(tmp_path / "whole.db", value, 9)
    store = tmp_path / "store.db"
    for number in (1, 5):
        with pytest.raises(Killed):
            searched(store, dies(number), 9)
    assert len(searched(store, value, 3)) == 3
    resumed = searched(store, dies(-1), 9)
    assert figures(resumed) == figures(whole)
    assert len({str(trial.settings) for trial in resumed}) == 9
    before = len(asked)
    assert figures(searched(store, dies(-1), 9)) == figures(resumed)
    assert len(asked) == before


def test_no_trial_begins_when_the_time_is_spent_but_the_defaults_are_always_tried(
    tmp_path: Path,
) -> None:
    trials = searched(tmp_path / "store.db", transitions(random_walks()), 9, seconds=1e-9)
    assert [trial.settings for trial in trials] == [DEFAULTS]


def test_a_trial_that_lags_behind_is_pruned_and_one_that_diverges_has_failed(
    tmp_path: Path,
) -> None:
    count, stopped = 0, []

    def objective(chosen, on_epoch):
        nonlocal count
        count += 1
        if count == 7:
            raise DivergedError("Epoch 1 ended with train loss nan.")
        loss = 0.9 if count == 8 else 0.5
        for number in range(1, 11):
            stopped.append((count, number))
            on_epoch(Epoch(number, 10, 1.0, loss))
        return 1 - loss

    space = replace(TRANSITIONS, warm_steps=4, step=2)
    trials = searched(tmp_path / "store.db", objective, 9, space=space)
    states = [trial.state for trial in trials]
    assert states == ["complete"] * 6 + ["failed", "pruned", "complete"]
    assert trials[6].value is None
    assert trials[7].value == pytest.approx(0.1)
    reached = max(number for trial, number in stopped if trial == 8)
    assert 4 <= reached < 10 and reached % 2 == 0
    assert best_trial(trials) == trials[0]


def test_a_figure_that_is_no_number_is_a_failed_trial(tmp_path: Path) -> None:
    figures = iter([float("nan"), 0.3])
    trials = searched(tmp_path / "store.db", lambda chosen, on_epoch: next(figures), 2)
    assert [trial.state for trial in trials] == ["failed", "complete"]
    assert best_trial(trials) == trials[1]


def test_without_validation_events_there_is_nothing_to_choose_by() -> None:
    data = random_walks()
    nothing = replace(data, validation=data.validation.take(np.zeros(0, dtype=np.int64)))
    with pytest.raises(NothingToJudgeError, match="validation events"):
        transitions(nothing)


def test_a_network_tells_the_study_of_every_epoch(tmp_path: Path) -> None:
    data = random_walks()
    small = {"dim": 8, "epochs": 3, "components": 4, "epoch_examples": 64, "batch_size": 32}
    told: list[Epoch] = []

    def build(chosen, on_epoch):
        def both(epoch: Epoch) -> None:
            told.append(epoch)
            on_epoch(epoch)

        return MMNN(MMNNConfig(**{**small, **chosen}), "cpu", both)

    rate = replace(SPACES["mmnn"], parameters={"learning_rate": Real(1e-3, 1e-1, log=True)})
    trials = searched(tmp_path / "store.db", validation_objective(build, data), 2, space=rate)
    assert [trial.state for trial in trials] == ["complete", "complete"]
    assert [epoch.number for epoch in told] == [1, 2, 3, 1, 2, 3]
    # The best weights are kept; those before the first epoch, which nobody told of, may be them.
    assert trials[0].value >= max(1 - epoch.validation for epoch in told[:3]) - 1e-6


def hybrid(chosen, on_epoch) -> HMDF:
    small = {"candidates": 15, "rounds": 40, "patience": 40, "threads": 1}
    return HMDF(HMDFConfig(**{**small, **chosen}), on_epoch=on_epoch)


def test_trees_are_judged_as_a_whole_fit_judges_them() -> None:
    data = random_walks(length=27)
    objective = trees_objective(hybrid, data)
    whole = validation_objective(hybrid, data)
    for chosen in ({"leaves": 4, "leaf_rows": 5}, {"leaves": 8, "leaf_rows": 20}):
        epochs: list[Epoch] = []
        assert objective(chosen, epochs.append) == whole(chosen, lambda epoch: None)
        assert len(epochs) == 40


def best(**changed: object) -> BestSettings:
    told = {
        "settings": {"strength": 200.0, "decay": 0.8},
        "split": "user-temporal",
        "validation": 0.2,
        "default_validation": 0.1,
        "trials": 3,
        "date": "2026-01-02",
        "command": "crossmodal search --models ease",
    }
    return BestSettings.model_validate({**told, **changed})


def test_best_settings_are_read_as_they_were_written_beside_those_of_other_models(
    tmp_path: Path,
) -> None:
    path = tmp_path / "best.json"
    knn = best(settings={"decay": 0.7})
    write_best(path, {"ease": best(), "item_knn": knn})
    write_best(path, {"ease": best(validation=0.3)})
    assert read_best(str(path)) == {"ease": best(validation=0.3), "item_knn": knn}


@pytest.mark.parametrize("name", ["sample", "ml-latest-small"])
def test_committed_settings_are_searched_ones_and_configs(name: str) -> None:
    assert name in committed()
    for model, found in read_best(name).items():
        entry_of(model).config_class()(**found.settings)
        assert found.validation >= (found.default_validation or 0.0)


def test_files_that_are_no_best_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BestSettingsError, match="CROSSMODAL_TUNED"):
        read_best("nosuch")
    broken = tmp_path / "broken.json"
    broken.write_text('{"ease": 3}')
    with pytest.raises(BestSettingsError, match="does not hold best settings"):
        read_best(str(broken))
    for model, wrong in (("ease", {"depth": 3}), ("nosuch", {"strength": 20.0})):
        broken.unlink(missing_ok=True)
        write_best(broken, {model: best(settings=wrong)})
        with pytest.raises(BestSettingsError, match="are not searched"):
            read_best(str(broken))
