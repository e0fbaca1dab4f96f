"""What a worker process runs. It imports nothing heavy before it answers to its supervisor."""

import os
import signal
import sys
import threading
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def application(settings: Settings, figures: Path | None = None) -> "FastAPI":
    """The service as one of several processes, or as the only one.

    Args:
        settings: of the service.
        figures: folder in which the processes keep their figures together; None for a lone one.
    """
    from crossmodal.pseudonyms import PseudonymKeyError
    from crossmodal.store_errors import StoreError
    from serving.app import create_app
    from serving.keys import KeyFileError
    from serving.memory import give_back_large_blocks

    give_back_large_blocks()
    if parent_process() is not None and hasattr(signal, "SIGHUP"):
        # A terminal that is closed tells all processes; the supervisor ends the others in order.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with_supervisor, name="supervisor-watch", daemon=True).start()
    try:
        return create_app(settings, figures)
    except (KeyFileError, PseudonymKeyError, StoreError) as error:
        if parent_process() is None:
            raise
        # The operator reads it; the supervisor counts how often it happens.
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(1) from error


def _end_with_supervisor() -> None:
    """A worker whose supervisor was killed would hold the port, and nobody would restart it."""
    supervisor = parent_process()
    if supervisor is not None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)
