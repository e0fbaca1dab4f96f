"""What every column of every table means, and which columns it comes from, for the web UI."""

from assets.columns.descriptions import described
from assets.columns.lineage import lineage_of

__all__ = ["described", "lineage_of"]
