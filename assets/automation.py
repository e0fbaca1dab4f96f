"""When an asset is made again without a schedule: a sensor that is on asks for it."""

import dagster as dg

_Condition = dg.AutomationCondition


def after_change_of(*inputs: str) -> dg.AutomationCondition:
    """Once for every change of an input's content, when no run works on the asset or its inputs.

    Args:
        inputs: assets that the asset depends on; without any, all that it depends on.
    """
    # The root target is the asset: the run that changed an input may have made the asset from it.
    left_behind = _Condition.data_version_changed() & ~_Condition.executed_with_root_target()
    changed = _Condition.any_deps_match(left_behind | _Condition.will_be_requested())
    if inputs:
        changed = changed.allow(dg.AssetSelection.assets(*inputs))
    return (
        changed.since_last_handled()
        & ~_Condition.any_deps_missing()
        & ~_Condition.any_deps_in_progress()
        & ~_Condition.in_progress()
    ).with_label(f"the content of {' or '.join(inputs) or 'an input'} has changed")
