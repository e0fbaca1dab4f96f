"""What a worker process runs. It imports nothing heavy before it answers to its supervisor."""

import os
import signal
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
    from serving.app import create_app
    from serving.memory import give_back_large_blocks

    give_back_large_blocks()
    threading.Thread(target=_end_with_supervisor, name="supervisor-watch", daemon=True).start()
    return create_app(settings, figures)


def _end_with_supervisor() -> None:
    """A worker whose supervisor was killed would hold the port, and nobody would restart it."""
    supervisor = parent_process()
    if supervisor is not None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)
