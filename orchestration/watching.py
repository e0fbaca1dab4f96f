"""Which tables hold what only watches the version that answers."""

from assets.drift_table import DRIFT
from assets.prequential import PREQUENTIAL

WATCHING = (PREQUENTIAL, DRIFT)
"""Made by `assets.watching.watch`: where that fails, a run goes on without."""
