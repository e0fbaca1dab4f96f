"""What is compiled before a run needs it."""

from collections.abc import Iterator
from types import ModuleType

import numpy as np
from numba.core.dispatcher import Dispatcher
from walking_users import random_walks

from models.baselines import _cooccurrence_kernels, _history_kernels, _largest_kernels
from models.data import Dataset, Histories, TokenTable
from models.hmdf import (
    HMDF,
    HMDFConfig,
    _candidate_kernels,
    _event_kernels,
    _link_kernels,
    _ranking_kernels,
    _similarity_kernels,
    _statistics_kernels,
)
from models.hmdf.compile_ahead import compile_hybrid

_KERNELS = (
    _candidate_kernels,
    _cooccurrence_kernels,
    _event_kernels,
    _history_kernels,
    _largest_kernels,
    _link_kernels,
    _ranking_kernels,
    _similarity_kernels,
    _statistics_kernels,
)


def variants(modules: tuple[ModuleType, ...]) -> Iterator[tuple[str, int]]:
    """How many variants of each compiled function there are."""
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, Dispatcher):
                yield f"{module.__name__}.{name}", len(value.signatures)


def with_content(dataset: Dataset) -> Dataset:
    """The same dataset with two modalities."""
    rng = np.random.default_rng(5)
    items = np.arange(dataset.n_items, dtype=np.int32)
    tokens = {
        name: TokenTable(
            dataset.n_items,
            items,
            np.zeros(len(items), dtype=np.int64),
            rng.standard_normal((len(items), width)).astype(np.float32),
        )
        for name, width in (("text", 9), ("image", 5))
    }
    return Dataset(
        dataset.user_ids,
        dataset.item_ids,
        dataset.train,
        dataset.validation,
        tokens,
        dataset.context,
    )


def test_a_fit_and_its_lists_find_all_their_code_compiled() -> None:
    """Nothing is left to compile: neither a function nor a variant of one for other arrays."""
    compile_hybrid()
    ahead = dict(variants(_KERNELS))
    assert all(ahead[f"{module.__name__}.{name}"] for module, name in (
        (_candidate_kernels, "find"),
        (_statistics_kernels, "describe_items"),
        (_event_kernels, "add_by_event"),
    ))  # fmt: skip
    dataset = with_content(random_walks())
    model = HMDF(HMDFConfig(rounds=3, bags=1, leaf_rows=2)).fit(dataset)
    users = Histories.of(dataset.train, np.arange(5, dtype=np.int32))
    model.explain(users, model.recommend(users, 4).items)
    assert dict(variants(_KERNELS)) == ahead
