"""Fits side by side: the same models, and the same errors, as one after another."""

from functools import partial

import numpy as np
import pytest
from walking_users import random_walks

from models.baselines import ALS, ItemKNN, Popularity
from models.parallel import ONE_PROCESS, OnThisMachine

walks = partial(random_walks, n_users=40, n_items=30, length=12, held=2)


def _missing() -> Popularity:
    raise FileNotFoundError("popularity.json is missing")


@pytest.mark.slow
def test_models_come_back_from_processes_as_they_would_from_this_one() -> None:
    dataset = walks()
    builders = {"popularity": Popularity, "item_knn": ItemKNN, "als": ALS}
    here, there = (
        executor.fit_all(builders, dataset) for executor in (ONE_PROCESS, OnThisMachine(2))
    )
    assert list(there) == list(here) == list(builders)
    users = dataset.histories()
    for name, model in here.items():
        np.testing.assert_allclose(there[name].score(users), model.score(users), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("executor", [ONE_PROCESS, OnThisMachine(2)])
def test_what_cannot_be_fitted_is_an_error_that_names_the_model(executor: OnThisMachine) -> None:
    with pytest.raises(FileNotFoundError, match=r"popularity\.json") as found:
        executor.fit_all({"als": ALS, "popularity": _missing}, walks())
    assert found.value.__notes__ == ["This happened in the fit of popularity."]
