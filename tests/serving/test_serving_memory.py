"""What a process holds once large blocks are free."""

import subprocess
import sys

import pytest

BLOCKS = """
import ctypes
import sys

import psutil

from serving.memory import give_back_large_blocks

if sys.argv[1] == "given back":
    give_back_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
held = psutil.Process().memory_info().rss
for megabytes in (30, 25):
    block = libc.malloc(ctypes.c_size_t(megabytes << 20))
    ctypes.memset(block, 1, megabytes << 20)
    kept = libc.malloc(ctypes.c_size_t(100_000))
    libc.free(block)
print(psutil.Process().memory_info().rss - held)
"""
"""A first block teaches glibc to keep the second one, below a block that is still in use."""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc is Linux's")
def test_a_large_block_goes_back_while_a_later_one_is_in_use() -> None:
    held = {
        way: int(subprocess.check_output([sys.executable, "-c", BLOCKS, way], text=True))
        for way in ("as glibc does", "given back")
    }
    assert held["as glibc does"] > 20 << 20, "glibc alone keeps it: the setting is needed"
    assert held["given back"] < 5 << 20
