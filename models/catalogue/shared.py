"""What several entries of the catalogue say alike."""

from models.catalogue.space import Real
from models.data import MODALITIES, TIME_DEPENDENT

LASTING = tuple(name for name in MODALITIES if name not in TIME_DEPENDENT)
"""What an item can have before anyone has touched it."""

DECAY = Real(0.6, 1.0)
"""Where a search looks for how much less each earlier event counts."""
