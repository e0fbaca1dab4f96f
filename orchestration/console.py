"""The run's log on a terminal: what each asset did, and why one failed, nothing else."""

import logging
import sys
from typing import TextIO

import dagster as dg

_ENGINE_MESSAGE = "Dependencies for step"
"""How the executor begins its line about each step that a failure keeps from running."""


class _RunLogFormatter(logging.Formatter):
    """What assets log, `!` before a warning or an error; one line for a failed step or check."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {}) or {}
        message = str(meta.get("orig_message", record.getMessage()))
        mark = "!" if record.levelno >= logging.WARNING else " "
        return f"{mark} {message}"


class _RunLogFilter(logging.Filter):
    """Keeps what assets log themselves and drops the engine's own events."""

    def filter(self, record: logging.LogRecord) -> bool:
        meta = getattr(record, "dagster_meta", {}) or {}
        message = str(meta.get("orig_message", record.getMessage()))
        return meta.get("dagster_event") is None and not message.startswith(_ENGINE_MESSAGE)


@dg.logger(config_schema={}, description="One line an asset, for people at a terminal.")
def run_log(context: dg.InitLoggerContext) -> logging.Logger:
    """The logger that `crossmodal run` and every job uses for its console."""
    del context
    return make_run_log(sys.stderr)


def make_run_log(stream: TextIO) -> logging.Logger:
    """A logger that writes the run's readable lines to `stream`."""
    logger = logging.Logger("crossmodal.run", logging.INFO)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_RunLogFormatter())
    handler.addFilter(_RunLogFilter())
    logger.addHandler(handler)
    return logger
