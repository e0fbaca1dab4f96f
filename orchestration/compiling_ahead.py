"""Compiles the hybrid's code on a core that is idle while a run reads and encodes."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import models

_log = logging.getLogger(__name__)
_HYBRID = Path(models.__file__).parent / "hmdf"
_LAST = "_event_kernels"
"""Explains, and so is compiled after all that fits and ranks."""


@contextmanager
def compiling_ahead(folder: Path = _HYBRID) -> Iterator[None]:
    """Lets another process compile during the block, unless the code is kept from earlier runs.

    Without it every process that fits the hybrid would compile the same, one next to the other. A
    fit that comes before the code is ready compiles for itself.

    Args:
        folder: of the hybrid's modules.
    """
    if _is_kept(folder):
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "models.hmdf.compile_ahead"],
        # Next to work that is due, it takes one core.
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        status = process.wait()
        if status not in (0, -signal.SIGTERM, -signal.SIGINT):
            _log.warning("Compiling ahead ended with status %d: fits compile themselves.", status)


def _is_kept(folder: Path) -> bool:
    written = (folder / f"{_LAST}.py").stat().st_mtime
    place = Path(os.environ.get("NUMBA_CACHE_DIR") or folder / "__pycache__")
    kept = place.rglob(f"{_LAST}.add_by_event-*.nbi")
    return any(index.stat().st_mtime >= written for index in kept)
