"""Where the fit of the version that answers begins: at the one before it, or from scratch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.datasets import SPLIT_INPUTS, newest_known, warm_split
from assets.item_vectors import encoders_of
from assets.registry import data_versions, fitted_until, open_registry
from assets.stage import Context, input_version
from crossmodal.workspace import Workspace
from models.data import Dataset, Vocabulary

if TYPE_CHECKING:
    from datetime import datetime

    from models.protocol import Recommender, Refittable
    from models.registry import ModelVersion


@dataclass(frozen=True)
class Beginning:
    """Where a fit begins.

    Attributes:
        version: whose weights it begins with; empty where the recipe is fitted again as it was
            judged.
        starts: warm starts since such a fit, this one among them; 0 for that fit.
        why_not: why it is no warm start, a clause; empty for one, and for a model that has none.
    """

    version: str
    starts: int
    why_not: str

    @property
    def said(self) -> str:
        """Where it begins, a clause; empty for a model that has no warm start."""
        if self.version:
            return f"warm-started from {self.version} (warm start {self.starts})"
        return f"fitted without a warm start ({self.why_not})" if self.why_not else ""


def judgement(workspace: Workspace) -> str:
    """The version of the champion's table: another one means that models were judged since."""
    return input_version(workspace.lake, "champion")


def beginning(workspace: Workspace, judged_by: str, judged_model: "Recommender") -> Beginning:
    """Where the fit of a recipe to all events begins.

    At the version that answers, if it is a refit of the same recipe, made since the models were
    judged: a judgement is followed by a fit from scratch, which bounds how long weights are carried
    on.

    Args:
        workspace: of the home.
        judged_by: the champion, as it was judged.
        judged_model: the same, loaded.
    """
    from models.protocol import WarmStartable
    from models.registry import UnknownVersionError

    if not isinstance(judged_model, WarmStartable):
        return _without("")
    registry = open_registry(workspace)
    model = registry.version(judged_by).name.removesuffix(f"-{warm_split(workspace.lake)}")
    if model not in workspace.settings.warm_start:
        return _without(f"CROSSMODAL_WARM_START does not name {model}")
    if _judged_when_last_fitted(workspace) != judgement(workspace):
        return _without("the models were judged since the last fit")
    try:
        same = _last_fit_to_these_events(workspace, judged_by)
        # Made again, it must come out as it is: it begins where it began.
        earlier = registry.champion() if same is None else same.warm_started_from
        if not earlier:
            return _without("so was the last fit, to the same events")
        made = registry.version(earlier)
    except UnknownVersionError:
        return _without("the version that it could go on from is gone")
    if made.judged_by != judged_by:
        return _without(f"{made.version} is no refit of {judged_by}")
    if dict(made.encoders) != encoders_of(workspace.lake):
        return _without(f"other encoders made the item vectors of {made.version}")
    return Beginning(made.version, made.warm_starts + 1, "")


def warm_started(
    context: Context, workspace: Workspace, data: Dataset, begins: Beginning
) -> "tuple[Refittable | None, Beginning]":
    """The version that a fit begins at, gone on from, and where the fit begins in the end.

    No model where there is no such version, or where it cannot be gone on from.
    """
    from models.failures import FIT_FAILURES
    from models.protocol import WarmStartable

    if not begins.version:
        return None, begins
    registry = open_registry(workspace)
    try:
        earlier = registry.load(begins.version)
        if not isinstance(earlier, WarmStartable):
            raise TypeError(f"{begins.version} has no warm start, though its recipe has one.")
        item_ids = Vocabulary(registry.item_ids(begins.version))
        return earlier.warm_started(item_ids, data), begins
    except FIT_FAILURES as error:
        context.log.warning(f"No warm start from {begins.version}.", exc_info=error)
        return None, _without(f"{begins.version} could not be gone on from: {error}")


def newest_learned(workspace: Workspace, begins: Beginning) -> "datetime | None":
    """The newest event behind a fit to everything, or behind the versions that it went on from."""
    known = newest_known(workspace.lake)
    before = fitted_until(workspace, begins.version) if begins.version else None
    return max((instant for instant in (known, before) if instant is not None), default=None)


def _judged_when_last_fitted(workspace: Workspace) -> str | None:
    lake = workspace.lake
    if not lake.exists("serving_model"):
        return None
    return lake.version("serving_model").summary.get("judgement")


def _last_fit_to_these_events(workspace: Workspace, judged_by: str) -> "ModelVersion | None":
    """The last version of the recipe, whether it answers or not, if nothing came in since.

    Raises:
        models.registry.UnknownVersionError: it is gone.
    """
    version = workspace.lake.read("serving_model")["refit"].item()
    if not version:
        return None
    made = open_registry(workspace).version(version)
    same_events = dict(made.data_versions) == data_versions(workspace.lake, SPLIT_INPUTS)
    return made if same_events and made.judged_by == judged_by else None


def _without(why: str) -> Beginning:
    return Beginning("", 0, why)
