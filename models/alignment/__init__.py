"""Heads that map a tower's features into the text space of the same items."""

from models.alignment.fitting import MIN_PAIRS, fit_alignment
from models.alignment.head import AlignmentHead, says_nothing, unaligned_head
from models.alignment.report import AlignmentReport

__all__ = [
    "MIN_PAIRS",
    "AlignmentHead",
    "AlignmentReport",
    "fit_alignment",
    "says_nothing",
    "unaligned_head",
]
