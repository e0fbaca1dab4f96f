"""Independent work of one fit on several threads of this process."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from joblib import cpu_count


@contextmanager
def threads(most: int = 0) -> Iterator[Executor]:
    """Threads for work that spends its time in compiled code, which lets others run meanwhile.

    What was not begun when the block ends, by an error or an interruption, never begins.

    Args:
        most: how many; 0 for one per core that this process may use.
    """
    pool = ThreadPoolExecutor(most or cpu_count(), thread_name_prefix="fit")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
