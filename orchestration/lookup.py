"""What an app would read: recommendations and features from Feast's online store."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import typer

from crossmodal.lake import Lake, TableDamagedError, TableMissingError
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import NEW_USER, PseudonymKeyError, pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from feature_repo.online_file import OnlineStoreError, newest_values

_LISTS = "user_recommendations"
_NUMBERS = re.compile(r"\[[-\d.e+,\s]+\]")
"""A JSON list of numbers, which is read more easily on one line."""


class LookupFailedError(RuntimeError):
    """Nothing can be looked up; the message says why and what to run."""


@dataclass(frozen=True)
class RecommendedItem:
    """One row of an answer."""

    rank: int
    item_id: str
    title: str
    score: float
    reason: str


@dataclass(frozen=True)
class Answer:
    """A user's list.

    Attributes:
        known: False where the list is the one for a user without history.
        model_version: the model that made it.
        items: best first.
    """

    known: bool
    model_version: str
    items: tuple[RecommendedItem, ...]


def recommendations_of(settings: Settings, user: str) -> Answer:
    """The stored list of a user; for an unknown one, the list for users without a history.

    Raises:
        LookupFailedError: no recommendations were made yet, or the key of the users is missing.
    """
    paths = StatePaths(settings.home)
    if not paths.online_store.is_file():
        raise LookupFailedError("Nothing was recommended yet: run `crossmodal run` first.")
    lake = Lake(paths.lake)
    personal = _list_of(paths, lake, _pseudonym(settings, user))
    known = personal["item_ids"] is not None
    shown = personal if known else _list_of(paths, lake, NEW_USER)
    if shown["item_ids"] is None:
        raise LookupFailedError("Nothing was recommended yet: run `crossmodal run` first.")
    titles = _titles(lake)
    ranked = zip(shown["item_ids"], shown["scores"], shown["reasons"], strict=True)
    items = tuple(
        RecommendedItem(rank, item, titles.get(item, ""), score, reason)
        for rank, (item, score, reason) in enumerate(ranked, start=1)
    )
    return Answer(known, shown["model_version"], items)


def _list_of(paths: StatePaths, lake: Lake, key: str) -> dict[str, Any]:
    features = {view: names for view, names in _features(lake, "user") if view == _LISTS}
    values = _online(paths, "user_id", key, features)
    return {name.removeprefix(f"{_LISTS}__"): value for name, value in values.items()}


def render_recommendations(answer: Answer, k: int) -> None:
    """Prints the first k items of a list."""
    if not answer.known:
        typer.echo("This user is unknown. The list for users without a history:")
    for item in answer.items[:k]:
        typer.echo(f"{item.rank:3d}. {item.title or item.item_id}  ({item.reason})")
    typer.echo(f"made by {answer.model_version}")


def features_of(settings: Settings, entity: str, key: str) -> dict[str, Any]:
    """Every online feature of a user or an item.

    Raises:
        LookupFailedError: the online store is empty or lacks this entity, or the key that names
            users is missing.
    """
    paths = StatePaths(settings.home)
    _require_store(paths)
    stored = _pseudonym(settings, key) if entity == "user" else key
    features = dict(_features(Lake(paths.lake), entity))
    values = _online(paths, f"{entity}_id", stored, features)
    if all(value is None for value in values.values()):
        raise LookupFailedError(f"No features of {entity} {key!r} are in the online store.")
    return values


def render_features(features: Mapping[str, Any]) -> str:
    """Features as JSON."""
    written = json.dumps(features, indent=2, default=str, ensure_ascii=False)
    return _NUMBERS.sub(_on_one_line, written)


def feast_key(settings: Settings, user: str) -> str:
    """What Feast's stores call a user: the keyed pseudonym.

    Raises:
        LookupFailedError: nothing is in the online store, or the key that names users is missing.
    """
    _require_store(StatePaths(settings.home))
    return _pseudonym(settings, user)


def _require_store(paths: StatePaths) -> None:
    if not paths.online_store.is_file():
        raise LookupFailedError("The online store is empty: run `crossmodal run` first.")


def _online(
    paths: StatePaths, join_key: str, key: str, features: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    try:
        return newest_values(paths, join_key, key, features)
    except OnlineStoreError as error:
        raise LookupFailedError(str(error)) from error


def _features(lake: Lake, entity: str) -> Iterator[tuple[str, list[str]]]:
    """Each online view of an entity and its features, as the last run registered them."""
    try:
        views = lake.read("feature_registry")
    except (TableDamagedError, TableMissingError) as error:
        raise LookupFailedError(str(error)) from error
    entity_views = views.filter((pl.col("entity") == entity) & pl.col("online"))
    for view, fields in entity_views.select("view", "fields").iter_rows():
        yield view, fields.split(", ")


def _on_one_line(numbers: "re.Match[str]") -> str:
    return f"[{' '.join(numbers.group()[1:-1].split())}]"


def _pseudonym(settings: Settings, user: str) -> str:
    try:
        return pseudonym(user, Workspace(settings).key_of_users())
    except (PseudonymKeyError, TableDamagedError) as error:
        raise LookupFailedError(str(error)) from error


def _titles(lake: Lake) -> dict[str, str]:
    try:
        frame = lake.read("items").select("item_id", "title")
    except (TableDamagedError, TableMissingError) as error:
        raise LookupFailedError(str(error)) from error
    return dict(frame.iter_rows())
