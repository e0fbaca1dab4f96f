"""Independent work of one fit on several threads of this process."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from joblib import cpu_count

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class CallingThread(Executor):
    """Does each job when it is submitted, in the thread that submits it."""

    def submit(
        self,
        fn: Callable[Parameters, Answer],
        /,
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Future[Answer]:
        """A future that is done."""
        done: Future[Answer] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  Whoever asks for the result gets it.
            done.set_exception(error)
        return done


@contextmanager
def threads(most: int = 0) -> Iterator[Executor]:
    """Threads for work that spends its time in compiled code, which lets others run meanwhile.

    What was not begun when the block ends, by an error or an interruption, never begins. The block
    waits for what was begun: nothing can end a thread from outside.

    Args:
        most: how many; 0 for one per core that this process may use.
    """
    pool = ThreadPoolExecutor(most or cpu_count(), thread_name_prefix="fit")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
