"""Why a run failed, in one sentence for people, from what Dagster recorded of it."""

import re
from collections.abc import Sequence

import dagster as dg
from dagster._utils.error import SerializableErrorInfo

INTERRUPTED = "DagsterExecutionInterruptedError"
_OWN_CLASS = re.compile(r"^(crossmodal|sources|models|feature_repo|assets|orchestration)[\w.]*: ")


def why_failed(events: Sequence[dg.DagsterEvent]) -> str:
    """The blocking check or the step that failed and why; else how the run itself ended.

    Args:
        events: of the run, in their order.
    """
    checks = (
        event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    )
    for check in checks:
        if check.blocking and not check.passed:
            return said_of_check(check)
    for event in events:
        if event.is_step_failure:
            return said_of_step(event.step_key, root_of(event.step_failure_data.error))
    ends = [event.message for event in events if event.is_failure and event.message]
    return ends[-1] if ends else "The run failed before its first asset."


def said_of_check(check: dg.AssetCheckEvaluation) -> str:
    """What a check found amiss."""
    asset = check.asset_key.to_user_string()
    return f"{asset} failed its check {check.check_name}: {check.description}"


def said_of_step(step: str | None, error: SerializableErrorInfo | None) -> str:
    """Which step failed, and what its error says."""
    reason = error.message.strip() if error is not None else "no reason was given"
    return f"{step} failed: {_OWN_CLASS.sub('', reason)}"


def root_of(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """What an asset raised: Dagster wraps it. What that was raised from is a detail of ours."""
    while error is not None and error.cause is not None and _is_wrapper(error):
        error = error.cause
    return error


def _is_wrapper(error: SerializableErrorInfo) -> bool:
    return (error.cls_name or "").startswith("Dagster") and error.cls_name != INTERRUPTED
