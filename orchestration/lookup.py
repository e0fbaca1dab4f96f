"""What an app would read: recommendations and features from Feast's online store."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from assets.recommendations import NEW_USER
from crossmodal.lake import Lake, TableMissingError
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import PseudonymKeyError, pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

_PREFIX = "user_recommendations__"
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
    """The stored list of a user; the list for newcomers where the user is unknown.

    Raises:
        LookupFailedError: no recommendations were made yet, or the key of the users is missing.
    """
    paths = StatePaths(settings.home)
    if not paths.online_store.is_file():
        raise LookupFailedError("Nothing was recommended yet: run `crossmodal run` first.")
    key = _pseudonym(settings, user)
    found = _online(paths, {"user_id": [key, NEW_USER]}, "recommendations")
    rows = {name.removeprefix(_PREFIX): values for name, values in found.items()}
    known = rows["item_ids"][0] is not None
    row = 0 if known else 1
    if rows["item_ids"][row] is None:
        raise LookupFailedError("Nothing was recommended yet: run `crossmodal run` first.")
    titles = _titles(Lake(paths.lake))
    ranked = zip(rows["item_ids"][row], rows["scores"][row], rows["reasons"][row], strict=True)
    items = tuple(
        RecommendedItem(rank, item, titles.get(item, ""), score, reason)
        for rank, (item, score, reason) in enumerate(ranked, start=1)
    )
    return Answer(known, rows["model_version"][row], items)


def render_recommendations(answer: Answer, k: int) -> None:
    """Prints the first k items of a list."""
    if not answer.known:
        typer.echo("This user is unknown; a newcomer is shown:")
    for item in answer.items[:k]:
        typer.echo(f"{item.rank:3d}. {item.title or item.item_id}  ({item.reason})")
    typer.echo(f"made by {answer.model_version}")


def features_of(settings: Settings, entity: str, key: str) -> dict[str, Any]:
    """Every online feature of a user or an item.

    Raises:
        LookupFailedError: nothing is in the online store, or not this key, or the key that names
            users is missing.
    """
    paths = StatePaths(settings.home)
    _require_store(paths)
    stored = _pseudonym(settings, key) if entity == "user" else key
    rows = _online(paths, {f"{entity}_id": [stored]}, _references(entity))
    found = {name: values[0] for name, values in rows.items() if name != f"{entity}_id"}
    if all(value is None for value in found.values()):
        raise LookupFailedError(f"No features of {entity} {key!r} are in the online store.")
    return found


def render_features(found: Mapping[str, Any]) -> str:
    """Features as JSON."""
    return _NUMBERS.sub(_on_one_line, json.dumps(found, indent=2, default=str))


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
    paths: StatePaths, keys: Mapping[str, Sequence[str]], features: str | Sequence[str]
) -> dict[str, list[Any]]:
    from feature_repo.online_file import OnlineStoreError
    from feature_repo.store import online

    try:
        return online(paths, keys, features)
    except OnlineStoreError as error:
        raise LookupFailedError(str(error)) from error


def _references(entity: str) -> list[str]:
    """Every online feature of an entity, as Feast names them."""
    from feature_repo.catalogue import ONLINE_VIEWS, VIEWS

    return [
        f"{view.name}:{field.name}"
        for view in VIEWS
        if view.name in ONLINE_VIEWS and view.entities == [entity]
        for field in view.features
    ]


def _on_one_line(numbers: "re.Match[str]") -> str:
    return f"[{' '.join(numbers.group()[1:-1].split())}]"


def _pseudonym(settings: Settings, user: str) -> str:
    try:
        return pseudonym(user, Workspace(settings).key_of_users())
    except PseudonymKeyError as error:
        raise LookupFailedError(str(error)) from error


def _titles(lake: Lake) -> dict[str, str]:
    try:
        frame = lake.scan("items").select("item_id", "title").collect()
    except TableMissingError as error:
        raise LookupFailedError(str(error)) from error
    return dict(frame.iter_rows())
