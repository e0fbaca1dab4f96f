"""What a check finds, as Dagster shows it."""

import dagster as dg

Finding = dg.AssetCheckResult


def finding(passed: bool, description: str) -> Finding:
    """Whether a check passed, and one sentence of what it found."""
    return dg.AssetCheckResult(passed=bool(passed), description=description)
