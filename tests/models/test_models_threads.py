"""A fit gives the same model on however many threads: its runs differ in how many they have."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event, get_ident

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from walking_users import random_walks

from models.baselines import ALS, EASE, ItemKNN, Transition
from models.data import Dataset, Histories
from models.hmdf import HMDF, HMDFConfig
from models.hmdf.retrievers import Retrievers, simple_retrievers
from models.parallel import Builders, OnThisMachine
from models.protocol import Trainable
from models.training import one_thread

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


def test_a_hybrid_that_learns_from_slices_side_by_side_is_the_same() -> None:
    dataset = random_walks(n_users=500, n_items=600, length=27, held=3)
    users = Histories.of(dataset.train, np.arange(20, dtype=np.int32))
    fitted = [HMDF(SMALL.model_copy(update={"threads": n})).fit(dataset) for n in (1, 3)]
    again = [
        model.refitted(replace(dataset, validation=dataset.train.take(np.zeros(0, dtype=np.int64))))
        for model in fitted
    ]
    for models in (fitted, again):
        one, several = (model.score(users).tobytes() for model in models)
        assert one == several


class Asked(OnThisMachine):
    """Notes in which threads it was asked to fit models."""

    def __init__(self) -> None:
        super().__init__()
        self.by = set[int]()

    def fit_all(self, builders: Builders, dataset: Dataset) -> dict[str, Trainable]:
        if builders:
            self.by.add(get_ident())
        return super().fit_all(builders, dataset)


def test_only_the_thread_that_fits_waits_for_models_that_others_may_fit() -> None:
    # Ray lends the core of a waiting task to others only then.
    executor = Asked()

    def choose(dataset: Dataset) -> Retrievers:
        return replace(simple_retrievers(dataset), trained={"ease": EASE})

    dataset = random_walks(n_users=200, n_items=300, length=27, held=3)
    assert HMDF(SMALL, choose, executor=executor).fit(dataset).bags
    assert executor.by == {get_ident()}


def allowed() -> set[int]:
    """How many threads a new thread finds: those of torch, and of linear algebra."""

    def found() -> set[int]:
        blas = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
        return {torch.get_num_threads(), *blas}

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(found).result()


def test_threads_that_overlap_on_one_thread_leave_as_many_as_before() -> None:
    before, first_in, second_in, first_out = torch.get_num_threads(), Event(), Event(), Event()

    def first() -> None:
        with one_thread():
            first_in.set()
            assert second_in.wait(10)
        first_out.set()

    def second() -> None:
        assert first_in.wait(10)
        with one_thread(), one_thread():
            second_in.set()
            assert first_out.wait(10)
            assert torch.get_num_threads() == 1

    torch.set_num_threads(3)
    try:
        with threadpool_limits(3, user_api="blas"), ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(first), pool.submit(second)]:
                done.result()
            assert allowed() == {3}
            with one_thread():
                assert allowed() == {1}
    finally:
        torch.set_num_threads(before)
