"""Functions as machine code, kept for the processes to come where there is a place for it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_log = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """The function compiled by numba at its first call; other threads run meanwhile.

    The code lies in `__pycache__` next to the module, as Python's own does. Where nothing can be
    written there, the function works all the same and the log says what it costs. Kept code is made
    again where the function's own file has changed, and not where one that it calls has: compiled
    functions that call each other belong in one module.
    """
    return _compiled(function)


def compiled_in_any_order(function: Function) -> Function:
    """The same for sums whose order is nobody's business: whole vectors of numbers at once.

    Their last digit may differ from processor to processor. NaN and infinity count as elsewhere.
    """
    return _compiled(function, fastmath={"reassoc", "contract"})


def _compiled(function: Function, **options: Any) -> Function:
    try:
        dispatcher = numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError as error:
        _log.warning(
            "Machine code of %s cannot be kept: each process will spend seconds on it. "
            "Make %s writable, or name a folder in NUMBA_CACHE_DIR. (%s)",
            function.__name__,
            Path(function.__code__.co_filename).parent,
            error,
        )
        dispatcher = numba.njit(nogil=True, **options)(function)
    return cast(Function, dispatcher)
