"""The champion, shown and changed from the command line: which version answers, and why."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.champion_history import ChampionBusyError, HistoryError, Kind, Promotion, Promotions
from models.registry import ModelRegistry, UnknownVersionError
from orchestration.usable import why_unusable

_NONE_YET = "No model answers yet: run `crossmodal run` first."


class ChampionError(RuntimeError):
    """The champion cannot be shown or changed; the message says why and the way out."""


@dataclass(frozen=True)
class ChampionStatus:
    """Which version answers, and which could in its place.

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

    def as_json(self) -> dict[str, Any]:
        """The same, JSON-able."""
        found = {"figures": self.figures, "former": list(self.former), "lost": self.lost}
        return entry_as_json(self.promotion) | found


def status(settings: Settings) -> ChampionStatus:
    """The champion of a home.

    Raises:
        ChampionError: there is none yet, or its history is damaged.
    """
    workspace = Workspace(settings)
    current = _require_champion(history(settings))[-1]
    faults = {version: why_unusable(workspace, version) for version in _former(workspace)}
    return ChampionStatus(
        current,
        _figures(workspace, current.judged_by),
        tuple(version for version, fault in faults.items() if fault is None),
        {version: fault for version, fault in faults.items() if fault is not None},
    )


def entry_as_json(entry: Promotion) -> dict[str, Any]:
    """A change of the champion, JSON-able."""
    shown = asdict(entry) | {"at": entry.at.isoformat()}
    return {name: value for name, value in shown.items() if name != "known"}


def history(settings: Settings) -> tuple[Promotion, ...]:
    """All changes of the champion, the oldest first.

    Raises:
        ChampionError: the history is damaged.
    """
    try:
        return _open_promotions(Workspace(settings)).history()
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
    return _change(settings, version, reason, "promotion")


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
    entries = history(settings)
    if to is None:
        workspace = Workspace(settings)
        former = _former(workspace)
        to = next((each for each in former if why_unusable(workspace, each) is None), None)
        if to is None:
            _require_champion(entries)
            raise ChampionError(
                "There is no former champion that can answer: `crossmodal promote` takes any "
                "version."
            )
    elif to not in {entry.version for entry in entries}:
        raise ChampionError(
            f"{to} never was champion: `crossmodal promote {to}` makes it so if it is a version."
        )
    return _change(settings, to, reason, "rollback")


def _require_champion(entries: tuple[Promotion, ...]) -> tuple[Promotion, ...]:
    """The history, which holds a champion.

    Raises:
        ChampionError: it holds none yet.
    """
    if not entries:
        raise ChampionError(_NONE_YET)
    return entries


def _former(workspace: Workspace) -> tuple[str, ...]:
    """Versions that were champion, the one that a rollback takes first; some cannot answer now."""
    try:
        return _open_promotions(workspace).former()
    except HistoryError as error:
        raise ChampionError(str(error)) from error


def _change(settings: Settings, version: str, reason: str, kind: Kind) -> tuple[str, Promotion]:
    """Makes a version the champion; returns the champion before, and the change."""
    workspace = Workspace(settings)
    promotions = _open_promotions(workspace)
    if not (workspace.paths.models / "champion").is_file():
        raise ChampionError(_NONE_YET)
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


def _open_promotions(workspace: Workspace) -> Promotions:
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


def render(shown: ChampionStatus) -> Sequence[str]:
    """The champion as lines for a terminal."""
    now = shown.promotion
    judged = now.judged_by + (f": {shown.figures}" if shown.figures else "")
    lines = [
        f"Champion: {now.version}",
        f"Since: {now.since}",
        f"By: {_by(now)}",
        f"Reason: {now.reason}",
        f"Judged by: {judged}",
    ]
    if now.by == "hand":
        lines.append("It stays until a version made since then passes the gate.")
    lines.append(f"Can be returned to: {', '.join(shown.former) or 'none'}")
    return [*lines, *(f"Cannot: {fault}" for fault in shown.lost.values())]


def render_history(entries: Sequence[Promotion]) -> Sequence[str]:
    """All changes as lines for a terminal, the newest first."""
    return [
        f"{entry.since}  {_by(entry)}  {entry.version}  {entry.reason}"
        for entry in reversed(entries)
    ]


def _by(entry: Promotion) -> str:
    return entry.by if entry.kind == "promotion" else f"{entry.by} ({entry.kind})"
