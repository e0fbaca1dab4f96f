"""Faults that can pass are tried again, all others end the step at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from assets.stage import Context
from crossmodal.passing_faults import can_pass
from crossmodal.settings import Settings
from crossmodal.store_errors import StoreError, in_words, refused_write


def retry_policy(settings: Settings) -> dg.RetryPolicy:
    """How often and after how long a step is tried again: each wait about twice the one before.

    No asset is given it: Dagster would try again whatever an asset raises, Ctrl-C included.
    """
    return dg.RetryPolicy(
        max_retries=settings.unattended_retries,
        delay=settings.unattended_retry_seconds,
        backoff=dg.Backoff.EXPONENTIAL,
        jitter=dg.Jitter.PLUS_MINUS,
    )


@contextmanager
def retrying(context: Context, settings: Settings) -> Iterator[None]:
    """Asks Dagster to try the asset again when a fault that can pass ends the block.

    After the last try the fault itself ends the step, so that its message is what is read.

    Args:
        context: of the asset.
        settings: how often, and after how long.

    Raises:
        RetryRequested: from the fault, for Dagster.
        StoreError: from a disk that is full, or that may only be read, with the way out.
    """
    try:
        yield
    except Exception as fault:
        policy = retry_policy(settings)
        tried = context.retry_number
        if tried >= policy.max_retries or not can_pass(fault):
            if (refused := refused_write(fault)) is not None:
                raise StoreError(in_words(refused, settings.home)) from fault
            raise
        seconds = policy.calculate_delay(tried + 1)
        context.log.warning(
            f"{fault} This can pass: tries again in {seconds:.0f} s "
            f"({tried + 1} of {policy.max_retries} times)."
        )
        raise dg.RetryRequested(policy.max_retries, seconds) from fault
