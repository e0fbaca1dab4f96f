"""How old what an app reads may be before the web UI calls it overdue."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import dagster as dg

from crossmodal.settings import Settings

_WARN_AT = 0.8
"""Share of that age at which it warns."""


def freshness_hours(settings: Settings) -> dict[str, float]:
    """The age of each table that an app reads above which it is overdue, by its asset's name."""
    return {
        "online_features": settings.unattended_features_hours,
        "recommendations": settings.unattended_lists_hours,
        "online_recommendations": settings.unattended_lists_hours,
        "champion": settings.unattended_champion_hours,
    }


def freshness_policies(settings: Settings) -> dict[str, dg.FreshnessPolicy]:
    """The policy of each table that an app reads, by the name of its asset.

    A run that keeps a table finds it current, and so counts as if it had made it.
    """
    hours = freshness_hours(settings)
    return {name: _no_older_than(timedelta(hours=age)) for name, age in hours.items()}


def with_freshness(
    assets: Iterable[dg.AssetsDefinition], settings: Settings
) -> Sequence[dg.AssetsDefinition]:
    """The assets, with the policies on those that have one."""
    policies = freshness_policies(settings)

    def judged(spec: dg.AssetSpec) -> dg.AssetSpec:
        policy = policies.get(spec.key.to_user_string())
        return spec if policy is None else spec.replace_attributes(freshness_policy=policy)

    return list(dg.map_asset_specs(judged, assets))


def _no_older_than(age: timedelta) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(fail_window=age, warn_window=_WARN_AT * age)
