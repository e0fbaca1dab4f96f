"""The files through which the project and its peers talk; both sides read and write them here.

Into a peer's process goes one archive with a task, out of it one archive with lists or predictions
and one JSON with how they came about. Users and items are dense indexes, times UTC microseconds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

RANKING = "ranking"
RATING = "rating"


@dataclass(frozen=True)
class Events:
    """Events in parallel arrays (n,), sorted by user, then time.

    Events of one user and instant are in an order that says nothing of the item.
    """

    users: Ints
    items: Ints
    values: Floats
    timestamps: Longs

    def __len__(self) -> int:
        return len(self.users)

    def and_then(self, later: "Events") -> "Events":
        """Both together, sorted by user, then time; events of `later` after equal instants."""
        users, items, values, timestamps = (
            np.concatenate([getattr(part, field.name) for part in (self, later)])
            for field in fields(Events)
        )
        order = np.lexsort((timestamps, users))
        return Events(users[order], items[order], values[order], timestamps[order])

    def histories(self, users: Ints) -> list[Ints]:
        """The items of each of the users, oldest first."""
        starts = np.searchsorted(self.users, users, side="left")
        stops = np.searchsorted(self.users, users, side="right")
        return [self.items[start:stop] for start, stop in zip(starts, stops, strict=True)]


@dataclass(frozen=True)
class Task:
    """What a peer is asked.

    Attributes:
        kind: `ranking` (lists for the users of the test) or `rating` (values of its events).
        n_users: size of the user vocabulary.
        n_items: size of the catalogue, with items that have no events.
        k: length of the lists.
        seed: for whatever the peer draws.
        train: events to learn from.
        validation: events that choose settings; the test may learn from them as well.
        validation_candidates: (n_items,) items that are ranked for the validation events.
        test_users: users who get lists; for ratings the user of each event.
        test_items: items whose values are asked (ratings); none for lists.
        test_candidates: (n_items,) items that are ranked in the lists.
        ties: (n_items,) the place of each item among those of equal score, the lowest first.
        features: (n_items, d) standardised content with presence flags, 0 where it is absent.
        content_only: the candidates have no events, so nothing but content may rank them.
    """

    kind: str
    n_users: int
    n_items: int
    k: int
    seed: int
    train: Events
    validation: Events
    validation_candidates: Bools
    test_users: Ints
    test_items: Ints
    test_candidates: Bools
    ties: Ints
    features: Floats
    content_only: bool

    @property
    def known(self) -> Events:
        """All that is known when the test asks; the lists must not repeat its items."""
        return self.train.and_then(self.validation)


@dataclass(frozen=True)
class Answer:
    """What a peer gives back.

    Attributes:
        lists: (n_test_users, k) dense item indexes, best first; -1 where there is none.
        predictions: (n_test_events,) values; empty for lists.
        facts: JSON-able: settings, tried, fit_s, predict_s, tuning_s, validation, version.
    """

    lists: Ints
    predictions: Floats
    facts: Mapping[str, Any]


_SCALARS = ("kind", "n_users", "n_items", "k", "seed", "content_only")
_EVENTS = ("train", "validation")


def write_task(path: Path, task: Task) -> None:
    """Writes one archive that `read_task` reads; it holds no pickled object."""
    arrays: dict[str, Any] = {}
    for field in fields(Task):
        value = getattr(task, field.name)
        if field.name in _EVENTS:
            columns = {f"{field.name}.{part.name}": part.name for part in fields(Events)}
            arrays |= {key: getattr(value, name) for key, name in columns.items()}
        elif field.name not in _SCALARS:
            arrays[field.name] = value
    scalars = {name: getattr(task, name) for name in _SCALARS}
    np.savez(path, scalars=np.array(json.dumps(scalars)), **arrays)


def read_task(path: Path) -> Task:
    """Reads what `write_task` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    scalars = json.loads(str(arrays.pop("scalars")))
    events: dict[str, Any] = {
        name: Events(**{part.name: arrays.pop(f"{name}.{part.name}") for part in fields(Events)})
        for name in _EVENTS
    }
    return Task(**scalars, **events, **arrays)


def write_answer(path: Path | IO[bytes], answer: Answer) -> None:
    """Writes one archive that `read_answer` reads."""
    facts = np.array(json.dumps(dict(answer.facts)))
    np.savez(path, lists=answer.lists, predictions=answer.predictions, facts=facts)


def read_answer(path: Path) -> Answer:
    """Reads what `write_answer` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return Answer(stored["lists"], stored["predictions"], json.loads(str(stored["facts"])))
