"""The champion for people: which version answers and why, and how to change it by hand."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.champion_history import ChampionBusyError, HistoryError, Kind, Promotion, Promotions
from models.registry import ModelRegistry, UnknownVersionError
from orchestration.usable import why_unusable


class ChampionError(RuntimeError):
    """The champion cannot be shown or changed; the message says why and the way out."""


@dataclass(frozen=True)
class Standing:
    """Which version answers, and how that came about.

    Attributes:
        promotion: the change that made it champion.
        figures: what it was judged by, a clause; empty where no figures were kept.
        former: versions that can be returned to, the one that a rollback takes first.
        lost: former champions that cannot answer any more, and why.
    """

    promotion: Promotion
    figures: str
    former: tuple[str, ...]
    lost: dict[str, str]

    def for_programs(self) -> dict[str, Any]:
        """The same, JSON-able."""
        found = {"figures": self.figures, "former": list(self.former), "lost": self.lost}
        return for_programs(self.promotion) | found


def standing(settings: Settings) -> Standing:
    """The champion of a home.

    Raises:
        ChampionError: there is none yet, or its history is damaged.
    """
    workspace = Workspace(settings)
    history = promotions_of(settings)
    if not history:
        raise ChampionError("No model answers yet: run `crossmodal run` first.")
    current = history[-1]
    former = _promotions(workspace).former()
    faults = {name: why_unusable(workspace, name) for name in former}
    return Standing(
        current,
        _figures(workspace, current.judged_by),
        tuple(name for name, fault in faults.items() if fault is None),
        {name: fault for name, fault in faults.items() if fault is not None},
    )


def for_programs(entry: Promotion) -> dict[str, Any]:
    """A change of the champion, JSON-able."""
    shown = asdict(entry) | {"at": entry.at.isoformat()}
    return {name: value for name, value in shown.items() if name != "known"}


def promotions_of(settings: Settings) -> tuple[Promotion, ...]:
    """All changes of the champion, the oldest first.

    Raises:
        ChampionError: the history is damaged.
    """
    try:
        return _promotions(Workspace(settings)).history()
    except HistoryError as error:
        raise ChampionError(str(error)) from error


def promote(settings: Settings, version: str, reason: str) -> tuple[str, Promotion]:
    """Makes a version the champion by hand.

    Args:
        settings: of the home.
        version: of the registry.
        reason: why, kept in the history.

    Returns:
        The champion before, and the change.

    Raises:
        ChampionError: the version cannot answer, or answers already.
    """
    return _changed(settings, version, reason, "promotion")


def roll_back(settings: Settings, reason: str, to: str | None = None) -> tuple[str, Promotion]:
    """Makes the former champion, or one before it, the champion by hand.

    Args:
        settings: of the home.
        reason: why, kept in the history.
        to: an earlier champion; the one before the present one by default.

    Returns:
        The champion before, and the change.

    Raises:
        ChampionError: there was none, or it cannot answer.
    """
    entries = promotions_of(settings)
    workspace = Workspace(settings)
    usable = (
        version
        for version in _promotions(workspace).former()
        if why_unusable(workspace, version) is None
    )
    former = next(usable, None) if to is None else to
    if former is None:
        raise ChampionError(
            "There is no former champion that can answer: `crossmodal promote` takes any version."
            if entries
            else "No model answers yet: run `crossmodal run` first."
        )
    if to is not None and to not in {entry.version for entry in entries}:
        raise ChampionError(
            f"{to} never was champion: `crossmodal promote {to}` makes it so if it is a version."
        )
    return _changed(settings, former, reason, "rollback")


def _changed(settings: Settings, version: str, reason: str, kind: Kind) -> tuple[str, Promotion]:
    workspace = Workspace(settings)
    promotions = _promotions(workspace)
    if not (workspace.paths.models / "champion").is_file():
        raise ChampionError("No model answers yet: run `crossmodal run` first.")
    try:
        # A run deletes old versions under the same lock, and none that a champion needs.
        with promotions.deciding():
            before = promotions.history()[-1].version
            if version == before:
                raise ChampionError(f"{version} is the champion already.")
            _require_usable(workspace, version)
            return before, promotions.promote(version, by="hand", reason=reason, kind=kind)
    except (ChampionBusyError, HistoryError) as error:
        raise ChampionError(str(error)) from error
    except OSError as error:
        raise ChampionError(
            f"{workspace.paths.models} cannot be written ({error.strerror}): the champion is as "
            "it was."
        ) from error


def _require_usable(workspace: Workspace, version: str) -> None:
    """Refuses what a running service would refuse too."""
    from serving.champion import NoChampionError, load_champion

    if (fault := why_unusable(workspace, version)) is not None:
        raise ChampionError(fault)
    try:
        load_champion(workspace, version)
    except NoChampionError as error:
        raise ChampionError(f"{version} cannot answer: {error.cause or error.message}") from error


def _promotions(workspace: Workspace) -> Promotions:
    return Promotions(ModelRegistry(workspace.paths.models))


def _figures(workspace: Workspace, version: str) -> str:
    """What a version reached on the events that judged it, a clause; empty where it is unknown."""
    try:
        rows = ModelRegistry(workspace.paths.models).metrics(version)
    except (UnknownVersionError, OSError, ValueError):
        return ""
    overall = [
        row for row in rows if (row["metric"], row["k"], row["segment"]) == ("ndcg", 10, "all")
    ]
    return "; ".join(
        f"NDCG@10 {row['value']:.4f} [{row['ci_low']:.4f}, {row['ci_high']:.4f}] of "
        f"{row['n_users']:,} users on {row['split']}"
        for row in overall
    )


def render(found: Standing) -> Sequence[str]:
    """The champion as lines for a terminal."""
    now = found.promotion
    judged = now.judged_by + (f": {found.figures}" if found.figures else "")
    lines = [
        f"Champion: {now.version}",
        f"Since: {now.since}",
        f"By: {_by(now)}",
        f"Reason: {now.reason}",
        f"Judged by: {judged}",
    ]
    if now.by == "hand":
        lines.append("It stays until a version made since then passes the gate.")
    lines.append(f"Can be returned to: {', '.join(found.former) or 'none'}")
    return [*lines, *(f"Cannot: {fault}" for fault in found.lost.values())]


def render_history(entries: Sequence[Promotion]) -> Sequence[str]:
    """All changes as lines for a terminal, the newest first."""
    return [
        f"{entry.since}  {_by(entry)}  {entry.version}  {entry.reason}"
        for entry in reversed(entries)
    ]


def _by(entry: Promotion) -> str:
    return entry.by if entry.kind == "promotion" else f"{entry.by} ({entry.kind})"
