"""What an alignment is worth, on items that neither fitted nor chose it."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Retrieval:
    """Share of held-out items whose own text is the best, and among the ten best."""

    recall_at_1: float
    recall_at_10: float


@dataclass(frozen=True)
class AlignmentReport:
    """Tower to text retrieval on held-out items, compared with what it must beat.

    Attributes:
        method: ridge, contrastive or none.
        strength: the ridge penalty, or the epochs of the contrastive fit.
        n_pairs: items that have both the tower's features and a text.
        n_fit: items the reported head was fitted on; the kept one is refitted on all pairs.
        n_selection: items that chose strength and method.
        n_heldout: items the figures are measured on, and the number of candidates.
        aligned: the head.
        chance: a random order.
        control: a ridge head fitted on presence and format alone.
        untuned: the features under a random projection, no fit.
        candidates: recall@10 on the selection items of each method and strength tried.
        note: one sentence where no head was fitted; empty otherwise.
    """

    method: str
    strength: float
    n_pairs: int
    n_fit: int = 0
    n_selection: int = 0
    n_heldout: int = 0
    aligned: Retrieval | None = None
    chance: Retrieval | None = None
    control: Retrieval | None = None
    untuned: Retrieval | None = None
    candidates: tuple[tuple[str, float, float], ...] = ()
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return asdict(self)
