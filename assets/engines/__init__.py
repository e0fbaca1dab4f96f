"""Where the work of an asset is done: in the run's own process, or on a Ray cluster."""

from assets.engines.choice import engine_of
from assets.engines.protocol import Compute, Engine, Progress, Work

__all__ = ["Compute", "Engine", "Progress", "Work", "engine_of"]
