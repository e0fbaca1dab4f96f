"""What a process gives back to the system once it is free."""

import ctypes
import sys

# From glibc's malloc.h.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
_LARGE_BYTES = 1 << 20
_ARENAS = 2


def give_back_large_blocks() -> None:
    """Has glibc give every large block back, and keep few heaps; elsewhere nothing changes.

    By itself it takes larger and larger blocks from heaps of its own, one a thread, and keeps them:
    some long bodies would hold hundreds of megabytes until the process ends.
    """
    if sys.platform != "linux":
        return
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is not None:
        adjust(_MMAP_THRESHOLD, _LARGE_BYTES)
        adjust(_ARENA_MAX, _ARENAS)
