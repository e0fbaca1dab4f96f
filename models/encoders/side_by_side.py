"""Batches on a CPU: one per thread, which beats one batch spread over all threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from models.training import one_thread

Batch = TypeVar("Batch")
Answer = TypeVar("Answer")


def side_by_side(compute: Callable[[Batch], Answer], batches: Sequence[Batch]) -> list[Answer]:
    """What is computed of each batch, in their order, on as many threads as torch may use.

    Threads that share one small batch wait for each other at every layer; next to other work on
    the machine they wait far longer than they compute.

    Args:
        compute: takes one batch; is called by several threads at once.
        batches: of the same work.
    """
    threads = torch.get_num_threads()
    if min(threads, len(batches)) <= 1:
        return [compute(batch) for batch in batches]
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(compute, batches))
