"""The model in use and what is known of its items, loaded together and replaced together."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import polars as pl

from crossmodal.lake import Lake
from crossmodal.log_position import START, LogPosition
from crossmodal.modalities import MODALITIES
from crossmodal.published_events import published
from crossmodal.value_scale import ValueScale
from crossmodal.workspace import Workspace
from models.assembly import IndexedEvents, indexed_events, matrix, token_tables
from models.data import Bools, Floats, Histories, Interactions, Ints, TokenTable, Vocabulary
from models.explaining import Masks, masks_of
from models.persistence import ModelFormatError
from models.protocol import Recommender
from models.ranking import popular_first, tie_breaks
from models.registry import ModelRegistry
from serving.media_files import MediaFile, media_files
from serving.shared_arrays import SharedArrays

_log = logging.getLogger(__name__)


UNUSABLE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    ModelFormatError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pl.exceptions.PolarsError,
)
"""What damaged files of a version, or of the lake while it is read, can end in."""


class NoChampionError(RuntimeError):
    """No model can answer.

    Args:
        message: a sentence for callers; where there is no cause, it says what to run.
        cause: what lies behind it, for the log alone: it may name files.
    """

    def __init__(self, message: str, cause: BaseException | None = None) -> None:
        super().__init__(message if cause is None else f"{message} {cause}")
        self.message, self.cause = message, cause


@dataclass(frozen=True)
class Vectors:
    """One modality of all items in the shared space.

    Attributes:
        unit: (n_items, 384) unit vectors, zeros where an item lacks the modality.
        present: (n_items,) which items have it.
    """

    unit: Floats
    present: Bools

    def cosines(self, query: Floats) -> Floats:
        """Closeness (n_items,) to a unit vector (384,)."""
        cosines: Floats = self.unit @ query
        return cosines

    def rows(self, items: Ints) -> Floats:
        """Vectors (k, 384) of dense items (k,)."""
        return self.unit[items]


@dataclass(frozen=True)
class Champion:
    """A fitted model with the catalogue in its own dense indexes.

    Attributes:
        version: of the model in the registry.
        model: what scores.
        log: the lake's positive events, with both vocabularies.
        titles: (n_items,) what people call an item; its id where it has no title.
        categories: (n_items,) tuples of names.
        listed: (n_items,) whether the catalogue still has the item.
        created_at: (n_items,) UTC microseconds.
        vectors: of each modality that some item has.
        files: pictures and sounds by modality and dense index.
        ties: (n_items,) the order of equal scores: the most chosen first.
        scale: by which a run gives a value to what has none, and the model was fitted.
        trained_at: when its weights were written, in seconds since 1970.
        masks: what reasons need in addition to the model, where it reads modalities and does not
            explain itself.
        neighbours_score: dense indexes of the items that the model does not know itself.
        log_position: up to where in the events' log the lake has everything.
    """

    version: str
    model: Recommender
    log: IndexedEvents
    titles: np.ndarray
    categories: tuple[tuple[str, ...], ...]
    listed: Bools
    created_at: np.ndarray
    vectors: Mapping[str, Vectors]
    files: Mapping[str, Mapping[int, MediaFile]]
    ties: Ints
    scale: ValueScale
    trained_at: float
    masks: Masks | None = None
    neighbours_score: frozenset[int] = frozenset()
    log_position: LogPosition = START

    @cached_property
    def popularity(self) -> np.ndarray:
        """Events of each item (n_items,) in the lake."""
        return self.counts_of(self.log.events.items)

    def counts_of(self, items: Ints) -> np.ndarray:
        """How often each item (n_items,) is among some (n,)."""
        return np.bincount(items, minlength=len(self.listed))

    @cached_property
    def most_popular(self) -> Ints:
        """Dense indexes (n_items,), those with most events first."""
        return np.lexsort((self.ties, -self.popularity)).astype(np.int32)

    def items_in(self, category: str) -> Bools:
        """Which items (n_items,) are in a category."""
        inside = np.zeros(len(self.categories), dtype=bool)
        inside[self._members.get(category, [])] = True
        return inside

    @cached_property
    def _members(self) -> Mapping[str, list[int]]:
        """The dense indexes of the items of each category."""
        members: dict[str, list[int]] = {}
        for item, names in enumerate(self.categories):
            for name in names:
                members.setdefault(name, []).append(item)
        return members


def load_champion(workspace: Workspace, version: str) -> Champion:
    """Reads a version and the lake's tables about its items.

    Raises:
        NoChampionError: the registry, the model or a table is missing or damaged.
    """
    registry, lake = ModelRegistry(workspace.paths.models), workspace.lake
    try:
        model, item_ids = registry.load(version), registry.item_ids(version)
        if len(set(item_ids)) != len(item_ids) or not all(
            type(item_id) is str for item_id in item_ids
        ):
            raise ValueError("Its list of items holds one twice, or what is no id.")
        items = _items(lake, item_ids)
        # First: of a run that publishes meanwhile, events count twice at worst, and none is lost.
        taken = published(lake)
        events = lake.scan_partitions("interactions").filter(pl.col("value") > 0)
        columns = ["user_id", "item_id", "value", "event_timestamp"]
        known = events.filter(pl.col("item_id").is_in(item_ids)).select(columns).collect()
        arrays = SharedArrays(workspace.paths.shared_arrays)
        log = _mapped(indexed_events(known, item_ids, workspace.settings.seed), arrays)
        by_modality = {name: _vectors(lake, name, log, arrays) for name in MODALITIES}
        arrays.sweep()
        champion = Champion(
            version,
            model,
            log,
            items["title"].to_numpy(),
            tuple(tuple(names or ()) for names in items["categories"].to_list()),
            items["listed"].to_numpy(),
            items["created_at"].dt.timestamp("us").fill_null(0).to_numpy(),
            {name: vectors for name, vectors in by_modality.items() if vectors is not None},
            media_files(workspace, log.item_ids),
            _popular_first(log, item_ids, workspace.settings.seed),
            taken.scale or ValueScale.of(log.events.values),
            registry.written_at(version),
            masks_of(model, partial(_tokens, lake, log.item_ids)),
            log_position=taken.position,
        )
    except UNUSABLE as error:
        raise NoChampionError(f"The champion {version} cannot be loaded.", error) from error
    _require_answer(version, model, len(item_ids))
    return champion


def _popular_first(log: IndexedEvents, item_ids: tuple[str, ...], seed: int) -> Ints:
    counts = np.bincount(log.events.items, minlength=len(item_ids))
    return popular_first(counts, tie_breaks(item_ids, seed))


def _tokens(lake: Lake, item_ids: Vocabulary) -> dict[str, TokenTable]:
    """What the lake holds of the items, as tokens of their encoders."""
    tables = {name: f"{name}_embeddings" for name in MODALITIES}
    frames = {name: lake.scan(table) for name, table in tables.items() if lake.exists(table)}
    return token_tables(frames, item_ids)


def _require_answer(version: str, model: Recommender, n_items: int) -> None:
    """A trial: what cannot score a newcomer over these items must not take over."""
    try:
        shape = model.score(Histories.empty()).shape
    except UNUSABLE as error:
        raise NoChampionError(f"The champion {version} cannot score.", error) from error
    if shape != (1, n_items):
        raise NoChampionError(
            f"The champion {version} scores {shape[-1]} items, and its list names {n_items}: fit "
            "it again."
        )


class ChampionWatch:
    """Follows the file that names the champion; what it cannot load never takes over.

    Args:
        workspace: whose champion answers.
        on_change: called with each champion before it takes over.
        on_refusal: called with each that could not be loaded.
        seconds: between two looks.
    """

    def __init__(
        self,
        workspace: Workspace,
        on_change: Callable[[Champion], None],
        on_refusal: Callable[[], None],
        seconds: float = 1.0,
    ) -> None:
        self._workspace = workspace
        self._on_change, self._on_refusal = on_change, on_refusal
        self._seconds = seconds
        self._current: Champion | None = None
        self._refused: tuple[str, int] | None = None
        self._why = "run `crossmodal run` first."
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champion-watch", daemon=True)

    @property
    def current(self) -> Champion:
        """The champion of this instant: take it once per request, so that no answer mixes two.

        Raises:
            NoChampionError: none could be loaded yet.
        """
        if self._current is None:
            raise NoChampionError(f"No champion is loaded: {self._why}")
        return self._current

    def start(self) -> None:
        """Loads the champion now where there is one, and looks again from then on."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Takes over a newly named champion; refuses and logs once one that cannot be loaded."""
        named = self._named()
        now = None if self._current is None else self._current.version
        if named is None or named == now:
            return
        # Before it is loaded: what is repaired after it was read has another time at the next look.
        found = named, self._touched(named)
        if self._refused == found:
            return
        try:
            champion = load_champion(self._workspace, named)
        except NoChampionError as error:
            self._refused, self._why = found, _said(error)
            _log.error("%s %s", error, f"{now} goes on." if now else "Nobody answers.")
            self._on_refusal()
            return
        # First, so that nobody waits for what a first list takes.
        self._on_change(champion)
        self._current, self._refused = champion, None
        _log.info("%s answers.", named)

    def _named(self) -> str | None:
        try:
            return ModelRegistry(self._workspace.paths.models).champion()
        except (OSError, ValueError) as error:
            _log.error("The file that names the champion cannot be read: %s", error)
            return None

    def _touched(self, version: str) -> int:
        """When a file of a version last changed: a repaired one is looked at again."""
        folder = self._workspace.paths.models / version
        if folder.parent != self._workspace.paths.models:
            return 0
        try:
            return max((path.stat().st_mtime_ns for path in folder.rglob("*")), default=0)
        except OSError:
            return 0

    def _follow(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.look()
            except Exception:  # noqa: BLE001
                # Whatever it is: a thread that ends would follow no promotion any more, unheard.
                _log.exception("The champion could not be looked at; the next look is soon.")
                self._on_refusal()


def _said(error: NoChampionError) -> str:
    return (
        error.message
        if error.cause is None
        else f"{error.message} The log of the service says why."
    )


def _items(lake: Lake, item_ids: tuple[str, ...]) -> pl.DataFrame:
    """title, categories, created_at and listed in the order of the dense index."""
    columns = ["item_id", "title", "categories", "created_at"]
    known = lake.scan("items").select(*columns, listed=pl.lit(True)).collect()
    frame = pl.DataFrame({"item_id": pl.Series(item_ids, dtype=pl.String)}).join(
        known, on="item_id", how="left", maintain_order="left"
    )
    named = pl.when(pl.col("title").fill_null("") == "").then("item_id").otherwise("title")
    return frame.with_columns(title=named, listed=pl.col("listed").fill_null(False))


def _mapped(log: IndexedEvents, arrays: SharedArrays) -> IndexedEvents:
    """The same events, in memory once for all processes."""
    events = log.events
    columns = (events.users, events.items, events.values, events.timestamps)
    shared = Interactions(*(arrays.shared(column) for column in columns))
    return replace(log, events=shared, order=arrays.shared(log.order))


def _vectors(lake: Lake, modality: str, log: IndexedEvents, arrays: SharedArrays) -> Vectors | None:
    """The newest shared-space vectors of a modality; None where no item has it."""
    table = f"{modality}_embeddings"
    if not lake.exists(table):
        return None
    rows = lake.scan(table).sort("event_timestamp").group_by("item_id", maintain_order=True)
    newest = rows.agg(pl.col("embedding").last()).collect()
    places = log.item_ids.indexes(newest["item_id"].to_list())
    embeddings = newest["embedding"].filter(pl.Series(places >= 0))
    if not len(embeddings):
        return None
    vectors = matrix(embeddings)
    unit = np.zeros((len(log.item_ids), vectors.shape[1]), dtype=np.float32)
    present = np.zeros(len(log.item_ids), dtype=bool)
    unit[places[places >= 0]], present[places[places >= 0]] = vectors, True
    return Vectors(arrays.shared(unit), arrays.shared(present))
