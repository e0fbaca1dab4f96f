"""What somebody has decided by hand, as far as a run must leave it alone."""

from typing import TYPE_CHECKING

from assets.registry import open_promotions, open_registry
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from models.champion_history import Promotion


def hand_in_force(workspace: Workspace, candidate: str) -> "Promotion | None":
    """The hand's decision that keeps a candidate from answering; None if nothing does.

    It holds against every version that there was when it was made, as long as the version that it
    put in charge, and the one that this was judged by, can be read.

    Args:
        workspace: whose champion it is.
        candidate: a judged version.

    Raises:
        models.champion_history.HistoryError: the history of champions is damaged.
    """
    hand = open_promotions(workspace).held_against(candidate)
    if hand is None:
        return None
    faults = (why_unreadable(workspace, version) for version in {hand.version, hand.judged_by})
    return None if any(faults) else hand


def why_unreadable(workspace: Workspace, version: str) -> str | None:
    """Why this version of the platform cannot load a model that an older one kept; None if it can.

    Such a champion cannot answer, and so cannot keep a new one out.
    """
    from models.persistence import ModelFormatError
    from models.registry import UnknownVersionError

    try:
        open_registry(workspace).load(version)
    except (ModelFormatError, UnknownVersionError) as error:
        return str(error)
    return None


def reason_of_hand(hand: "Promotion") -> str:
    """That somebody has put a version in charge, when and why, a clause."""
    return f"{hand.version} was put in charge by hand on {hand.since} ({hand.reason})"
