"""Functions as machine code, kept for the processes to come where there is a place for it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

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
    try:
        found = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError as error:
        _log.warning(
            "Machine code of %s cannot be kept: each process will spend seconds on it. "
            "Make %s writable, or name a folder in NUMBA_CACHE_DIR. (%s)",
            function.__name__,
            Path(function.__code__.co_filename).parent,
            error,
        )
        found = numba.njit(nogil=True)(function)
    return cast(Function, found)
