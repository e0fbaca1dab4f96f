"""Homes as `crossmodal status` finds them."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.health.verdict import Health, Problem

DATED = ("online_features", "recommendations", "online_recommendations", "champion")
FAILED = "failed_run:__ephemeral_asset_job__"
HOURS = timedelta(hours=1)


def asset(name: str, *, broken: bool = False) -> dg.AssetsDefinition:
    @dg.asset(name=name)
    def made() -> None:
        if broken:
            raise ValueError("the source has no column `rating`")

    return made


def make(instance: dg.DagsterInstance, *names: str, broken: str = "") -> dg.ExecuteInProcessResult:
    """A run of a job of these assets, of which one may fail."""
    assets = [asset(name, broken=name == broken) for name in names]
    return dg.materialize(assets, instance=instance, raise_on_error=False)


def problem(health: Health, key: str) -> Problem:
    return {one.key: one for one in health.problems}[key]


def keys(health: Health) -> list[str]:
    return [one.key for one in health.problems]


def now() -> datetime:
    return datetime.now(UTC)
