"""Which versions of models are kept, and why; the others make room."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from models.champion_history import Promotion, champions_since
from models.registry import ModelRegistry, ModelVersion, UnknownVersionError

GRACE = timedelta(hours=1)
"""A version that was champion so short a time ago may still be read by a service."""


@dataclass(frozen=True)
class Policy:
    """What is kept in addition to what is referred to.

    Attributes:
        newest: versions of each recipe and split.
        champion_days: days for which a former champion is kept.
    """

    newest: int
    champion_days: int


@dataclass(frozen=True)
class Kept:
    """A version that stays.

    Attributes:
        version: of the registry.
        why: a clause.
    """

    version: str
    why: str


def kept(
    registry: ModelRegistry,
    history: Sequence[Promotion],
    referred: Collection[str],
    policy: Policy,
    now: datetime,
) -> tuple[Kept, ...]:
    """The versions that stay, by name, each with the first reason that keeps it.

    Args:
        registry: of the versions.
        history: of its champion, the oldest change first.
        referred: versions that anything names, such as a table.
        policy: what is kept in addition.
        now: in UTC.
    """
    known, unreadable = _known(registry)
    since = now - max(GRACE, timedelta(days=policy.champion_days))
    whys = (
        ("answers", {registry.champion()}),
        ("was champion lately", champions_since(history, since)),
        ("is named by a table", referred),
        ("is among the newest of its kind", _newest(registry, known.values(), policy.newest)),
        ("has a manifest that cannot be read", unreadable),
    )
    reasons: dict[str, str] = {}
    for why, versions in whys:
        for version in versions:
            if version in known or version in unreadable:
                reasons.setdefault(version, why)
    for version in list(reasons):
        judged_by = known[version].judged_by if version in known else ""
        if judged_by in known:
            reasons.setdefault(judged_by, f"is what {version} was judged by")
    return tuple(Kept(version, reasons[version]) for version in sorted(reasons))


def _known(registry: ModelRegistry) -> tuple[dict[str, ModelVersion], frozenset[str]]:
    """The versions by name, and the names of those whose manifest cannot be read."""
    known, unreadable = {}, set()
    for name in registry.names():
        try:
            made = registry.version(name)
            # Whose weights are gone has no age, and cannot be among the newest.
            registry.written_at(name)
            known[name] = made
        except (OSError, ValueError, TypeError, UnknownVersionError):
            unreadable.add(name)
    return known, frozenset(unreadable)


def _newest(registry: ModelRegistry, versions: Iterable[ModelVersion], n: int) -> frozenset[str]:
    """The n versions of each recipe and split that were written last."""
    ages = [(made.name, -registry.written_at(made.version), made.version) for made in versions]
    chosen: set[str] = set()
    for _, group in groupby(sorted(ages), key=lambda age: age[0]):
        chosen.update(version for _, _, version in list(group)[:n])
    return frozenset(chosen)
