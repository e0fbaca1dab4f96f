"""What several entries of the catalogue say alike."""

from models.catalogue.space import Real

DECAY = Real(0.6, 1.0)
"""Where a search looks for how much less each earlier event counts."""
