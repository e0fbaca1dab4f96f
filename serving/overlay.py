"""A champion over the catalogue as apps have changed it: a new one, the old stays as it is."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from crossmodal.lake import Lake
from crossmodal.logged_items import LoggedItem
from crossmodal.modalities import MODALITIES
from models.assembly import matrix
from models.data import Bools, Floats, Ints, TokenTable, Vocabulary
from models.encoders.attributes import with_categories
from models.explaining import Masks
from models.extending import further_ties, tokens_of
from models.neighbours import ByNeighbours, Neighbourhood
from models.protocol import Extendable, Recommender
from serving.champion import UNUSABLE, Champion, Vectors
from serving.media_files import MediaFile
from serving.shared_space import SharedSpace

_log = logging.getLogger(__name__)
_NEIGHBOURS = 5

Features = Mapping[str, Mapping[int, Floats]]
"""Of each modality the features (d,) by the item's place in the catalogue."""


@dataclass(frozen=True)
class ExtendedVectors(Vectors):
    """The catalogue's vectors where they lie, and next to them those of a few items.

    Attributes:
        unit: (n, 384) of the catalogue.
        present: (n_items,), further items included.
        places: (k,) ascending dense indexes of the items that have a vector of their own.
        vectors: (k, 384) theirs.
    """

    places: Ints
    vectors: Floats

    def cosines(self, query: Floats) -> Floats:
        """Closeness (n_items,) to a unit vector (384,)."""
        cosines = np.zeros(len(self.present), dtype=np.float32)
        cosines[: len(self.unit)] = self.unit @ query
        cosines[self.places] = self.vectors @ query
        return cosines

    def rows(self, items: Ints) -> Floats:
        """Vectors (k, 384) of dense items (k,)."""
        rows = np.zeros((len(items), self.unit.shape[1]), dtype=np.float32)
        inside = items < len(self.unit)
        rows[inside] = self.unit[items[inside]]
        slots = np.searchsorted(self.places, items)
        put = np.isin(items, self.places)
        rows[put] = self.vectors[slots[put]]
        return rows


@dataclass(frozen=True)
class Changes:
    """What apps have done to a catalogue.

    Attributes:
        n_items: of the catalogue without them.
        deleted: dense indexes of its items that may not be shown.
        items: by dense index, ascending, those that have changed and those that follow.
    """

    n_items: int
    deleted: Ints
    items: Mapping[int, LoggedItem]

    @property
    def places(self) -> Ints:
        """Dense indexes (k,) of the items."""
        return np.array(list(self.items), dtype=np.int32)

    @property
    def further(self) -> list[LoggedItem]:
        """The items that follow those of the catalogue."""
        return [item for place, item in self.items.items() if place >= self.n_items]

    @staticmethod
    def of(base: Champion, logged: Collection[LoggedItem]) -> "Changes":
        """The changes to a champion's catalogue, whose own items keep their indexes."""
        index_of = base.log.item_ids.index_of
        n_items = len(base.listed)
        deleted = [
            index_of[item.item_id] for item in logged if item.deleted and item.item_id in index_of
        ]
        changed = [item for item in logged if not item.deleted and item.item_id in index_of]
        new = [
            item
            for item in logged
            if not item.deleted and item.description is not None and item.item_id not in index_of
        ]
        placed = {index_of[item.item_id]: item for item in changed}
        ordered = {place: placed[place] for place in sorted(placed)}
        ordered |= dict(enumerate(sorted(new, key=lambda item: item.item_id), start=n_items))
        return Changes(n_items, np.array(deleted, dtype=np.int32), ordered)


def overlaid(
    base: Champion,
    space: SharedSpace,
    logged: Collection[LoggedItem],
    fingerprints: Mapping[str, str],
    lake: Lake,
    uploads: Path,
) -> Champion:
    """The champion over a catalogue with what apps put, changed and deleted.

    Args:
        base: over the catalogue of its run.
        space: where its vectors lie.
        logged: the newest state of every item that apps have touched.
        fingerprints: of the encoders in use by modality; what others encoded is left out.
        lake: has the features of the catalogue's items.
        uploads: folder of the media files.
    """
    changes = Changes.of(base, logged)
    if not changes.items and not len(changes.deleted):
        return base
    features = _own_features(changes, space, fingerprints, lake)
    ids = (*base.log.item_ids.ids, *(item.item_id for item in changes.further))
    vectors = _vectors(base, changes, space, features)
    listed = _listed(base, changes)
    read = partial(_all_features, changes, features, lake)
    model, masks, neighbours_score = _model(base, changes, vectors, listed, read)
    titles, categories, created_at = _described(base, changes)
    return replace(
        base,
        model=model,
        masks=masks,
        neighbours_score=neighbours_score,
        log=replace(base.log, item_ids=Vocabulary(ids)),
        titles=titles,
        categories=categories,
        listed=listed,
        created_at=created_at,
        vectors=vectors,
        files=_files(base, changes, uploads),
        ties=further_ties(base.ties, changes.places),
    )


def _listed(base: Champion, changes: Changes) -> Bools:
    listed = np.concatenate([base.listed, np.ones(len(changes.further), dtype=bool)])
    described = [place for place, item in changes.items.items() if item.description is not None]
    listed[np.array(described, dtype=np.int64)] = True
    listed[changes.deleted] = False
    return listed


def _described(
    base: Champion, changes: Changes
) -> tuple[np.ndarray, tuple[tuple[str, ...], ...], np.ndarray]:
    """Titles (n,), categories and instants (n,) of the items."""
    n_new = len(changes.further)
    titles = np.concatenate([base.titles, np.empty(n_new, dtype=object)])
    created_at = np.concatenate([base.created_at, np.zeros(n_new, dtype=np.int64)])
    categories = [*base.categories, *[()] * n_new]
    for place, item in changes.items.items():
        description = item.description
        if description is not None:
            titles[place], created_at[place] = description.title, description.created_at
            categories[place] = description.categories
    return titles, tuple(categories), created_at


def _files(base: Champion, changes: Changes, uploads: Path) -> dict[str, Mapping[int, MediaFile]]:
    files = {name: dict(known) for name, known in base.files.items()}
    for place, item in changes.items.items():
        for name, media in item.media.items():
            files.setdefault(name, {})[place] = MediaFile(uploads, media.sha256, media.mime)
    return {**files}


def _own_features(
    changes: Changes, space: SharedSpace, fingerprints: Mapping[str, str], lake: Lake
) -> dict[str, dict[int, Floats]]:
    """Features of what was put: of words, pictures and sounds, and of the categories."""
    features: dict[str, dict[int, Floats]] = {name: {} for name in MODALITIES}
    for place, item in changes.items.items():
        for name, vector in item.vectors.items():
            if vector.fingerprint == fingerprints[name]:
                features[name][place] = np.frombuffer(vector.features, dtype=np.float32)
            else:
                _log.warning("Another encoder made the %s of an item: put it again.", name)
    before = _lake_features(lake, "attributes", changes)
    for place, item in changes.items.items():
        if item.description is not None:
            named = item.description.categories
            attributes = with_categories(space.attribute_names, named, before.get(place))
            if attributes is not None:
                features["attributes"][place] = attributes
    return features


def _all_features(
    changes: Changes, put: Mapping[str, Mapping[int, Floats]], lake: Lake
) -> dict[str, dict[int, Floats]]:
    """What was put, and what else the catalogue's own items have."""
    return {name: {**_lake_features(lake, name, changes), **put[name]} for name in MODALITIES}


def _lake_features(lake: Lake, modality: str, changes: Changes) -> dict[int, Floats]:
    """The newest features of the items that have changed, by their place."""
    places = {
        item.item_id: place for place, item in changes.items.items() if place < changes.n_items
    }
    table = f"{modality}_embeddings"
    if not places or not lake.exists(table):
        return {}
    rows = lake.scan(table).filter(pl.col("item_id").is_in(list(places))).sort("event_timestamp")
    newest = rows.group_by("item_id", maintain_order=True).agg(pl.col("features").last()).collect()
    ids = newest["item_id"].to_list()
    return {places[name]: row for name, row in zip(ids, matrix(newest["features"]), strict=True)}


def _vectors(
    base: Champion, changes: Changes, space: SharedSpace, put: Features
) -> dict[str, Vectors]:
    """The catalogue's vectors with those of what was put, which the space brings among them."""
    vectors: dict[str, Vectors] = {}
    n_new = len(changes.further)
    for name, known in base.vectors.items():
        width = known.unit.shape[1]
        by_place = {place: space.vector(name, features) for place, features in put[name].items()}
        usable = {
            place: row
            for place, row in sorted(by_place.items())
            if row is not None and len(row) == width
        }
        places = np.array(list(usable), dtype=np.int32)
        rows = np.array(list(usable.values()), dtype=np.float32).reshape(-1, width)
        present = np.concatenate([known.present, np.zeros(n_new, dtype=bool)])
        present[places] = True
        vectors[name] = ExtendedVectors(known.unit, present, places, rows)
    return vectors


def _model(
    base: Champion,
    changes: Changes,
    vectors: Mapping[str, Vectors],
    listed: Bools,
    read: Callable[[], Features],
) -> tuple[Recommender, Masks | None, frozenset[int]]:
    """What scores the items, what explains them, and which only their neighbours score."""
    places = changes.places
    if isinstance(base.model, Extendable):
        tokens = _tokens(changes, read())
        try:
            masks = None if base.masks is None else base.masks.extended(tokens, places)
            return base.model.extended(tokens, places), masks, frozenset()
        except UNUSABLE as error:
            _log.error(
                "%s cannot take in new items; neighbours score them. %s", base.version, error
            )
    new = places[places >= changes.n_items]
    known = listed[: changes.n_items]
    near = [_neighbourhood(base, vectors, known, int(place)) for place in new]
    by_neighbours = ByNeighbours(base.model, near, base.ties, base.masks)
    return by_neighbours, None, frozenset(new.tolist())


def _tokens(changes: Changes, features: Features) -> dict[str, TokenTable]:
    """The features as tables of the changed items alone, in their order."""
    slot_of = {place: slot for slot, place in enumerate(changes.items)}
    by_slot = {
        name: {slot_of[place]: row for place, row in rows.items()}
        for name, rows in features.items()
    }
    descriptions = [item.description for item in changes.items.values()]
    known_at = [
        0 if description is None else description.created_at for description in descriptions
    ]
    return tokens_of(by_slot, np.array(known_at, dtype=np.int64))


def _neighbourhood(
    base: Champion, vectors: Mapping[str, Vectors], listed: Bools, place: int
) -> Neighbourhood:
    """The `listed` items (n_items,) nearest to a further one, by mean cosine."""
    n_items = len(base.listed)
    total, counts = np.zeros(n_items, dtype=np.float32), np.zeros(n_items, dtype=np.int32)
    for name, extended in vectors.items():
        if extended.present[place]:
            query = extended.rows(np.array([place], dtype=np.int32))[0]
            both = base.vectors[name].present
            total += np.where(both, extended.cosines(query)[:n_items], 0)
            counts += both
    means = np.divide(total, counts, out=np.zeros_like(total), where=counts > 0)
    means[~listed] = 0
    best = np.argsort(-means, kind="stable")[:_NEIGHBOURS].astype(np.int32)
    best = best[means[best] > 0]
    return Neighbourhood(best, means[best])
