"""Parts of Dagster that it calls beta and that the platform builds on all the same."""

import warnings


def accept_beta() -> None:
    """Does without Dagster's reminders that what is used here is beta.

    The version is pinned in the lock file, so that it cannot change under a user, who would read
    the reminders before every command.
    """
    for name in ("backfill_policy", "include_sources"):
        warnings.filterwarnings("ignore", message=rf"Parameter `{name}` .* is currently in beta")
    observing = "Function `multi_observable_source_asset` is currently in beta"
    warnings.filterwarnings("ignore", message=observing)
