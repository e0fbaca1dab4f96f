"""Checks of what models may learn from, and of what judges them."""

from collections.abc import Callable

from assets.datasets import read_log, splits_in, warm_split
from assets.judging import UNJUDGED, judging
from crossmodal.workspace import Workspace
from models.data import Interactions
from models.splits import LeakError, assert_no_future_training, assert_train_before_test
from models.splits.names import GLOBAL_TEMPORAL
from orchestration.checks.finding import Finding, finding


def enough_to_judge(workspace: Workspace) -> Finding:
    """Some user has events to learn from, to choose by and to judge by."""
    lake = workspace.lake
    judgement = judging(lake.read("splits"), warm_split(lake))
    if not judgement.fault:
        return finding(True, f"{judgement.held}.")
    return finding(
        False,
        f"{judgement.held}. No model can be judged, so that {UNJUDGED} answers: {judgement.fault}.",
    )


def no_future_training(workspace: Workspace) -> Finding:
    """No event that a model knows of a user is later than the user's test events."""
    return _temporal(
        workspace,
        warm_split(workspace.lake),
        assert_no_future_training,
        "Every user's training events come before the test events.",
    )


def train_before_test(workspace: Workspace) -> Finding:
    """No event that a model knows of anyone is at or after the first test event."""
    return _temporal(
        workspace,
        GLOBAL_TEMPORAL,
        assert_train_before_test,
        "All training events come before all test events.",
    )


def _temporal(
    workspace: Workspace,
    split: str,
    require: Callable[[Interactions, Interactions], None],
    message: str,
) -> Finding:
    """A tested model knows the validation events, as it does those of the training."""
    if not splits_in(workspace.lake, (split,)):
        return finding(True, f"There is no {split}, since the events have no times.")
    log, splits = read_log(workspace.lake)
    parts = splits[split]
    known = parts.is_in(["train", "validation"]).to_numpy()
    try:
        require(log.events.take(known), log.events.take((parts == "test").to_numpy()))
    except LeakError as error:
        return finding(False, str(error))
    return finding(True, message)
