"""What an operator has decided by hand about the champion, as far as a run must leave it alone."""

from typing import TYPE_CHECKING

from assets.registry import open_promotions, open_registry
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from models.champion_history import Promotion


def decision_by_hand(workspace: Workspace, candidate: str) -> "Promotion | None":
    """The decision by hand that keeps a candidate from answering; None if none does.

    It holds against every version that existed when it was made, as long as the version that it
    chose, and the one whose figures speak for that, can be read.

    Args:
        workspace: whose champion it is.
        candidate: a judged version.

    Raises:
        models.champion_history.HistoryError: the history of champions is damaged.
    """
    decision = open_promotions(workspace).held_against(candidate)
    if decision is None:
        return None
    versions = {decision.version, decision.judged_by}
    if any(why_unreadable(workspace, version) for version in versions):
        return None
    return decision


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


def reason_of_decision_by_hand(decision: "Promotion") -> str:
    """That an operator has put a version in charge, when and why, a clause."""
    return f"{decision.version} was put in charge by hand on {decision.since} ({decision.reason})"
