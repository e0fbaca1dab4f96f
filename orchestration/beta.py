"""Parts of Dagster that it calls beta and that the platform builds on all the same."""

import warnings


def accept_backfill_policy() -> None:
    """Does without Dagster's reminder that `backfill_policy` is beta.

    The version is pinned in the lock file, so that it cannot change under a user, who would read
    the reminder before every command.
    """
    warnings.filterwarnings(
        "ignore", message=r"Parameter `backfill_policy` .* is currently in beta"
    )
