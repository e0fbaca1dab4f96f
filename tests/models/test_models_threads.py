"""A fit gives the same model on however many threads: its runs differ in how many they have."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from walking_users import random_walks

from models.baselines import ALS, EASE, ItemKNN, Transition
from models.data import Histories
from models.hmdf import HMDF, HMDFConfig
from models.protocol import Trainable

SMALL = HMDFConfig(candidates=15, rounds=20, patience=5, leaf_rows=5, penalty=1.0)


@pytest.mark.parametrize("build", [EASE, ALS, ItemKNN, Transition, lambda: HMDF(SMALL)])
def test_a_fit_is_the_same_on_one_thread_and_on_several(build: type[Trainable]) -> None:
    dataset = random_walks(n_users=500, n_items=600, length=27, held=3)
    users = Histories.of(dataset.train, np.arange(20, dtype=np.int32))
    scores = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads, user_api="blas"):
            model = build().fit(dataset)
        with threadpool_limits(1, user_api="blas"):
            scores.append(model.score(users).tobytes())
    assert len(set(scores)) == 1
