"""From a source's raw files to item tokens, and to the controls that know only their form."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from crossmodal.atomic import atomic_path
from crossmodal.modalities import MediaKind
from models.assembly import IndexedEvents, indexed_events
from models.data import TokenTable, Vocabulary
from models.encoders.attributes import encode_attributes
from models.encoders.factory import load_media_encoder, load_text_encoder
from models.encoders.fingerprints import Kind, fingerprint_of
from models.encoders.item_text import read_of_items, weigh_title
from models.encoders.stream import MediaRow, encode_media, encode_texts
from models.media import DecodePool, MediaError, MediaLimits
from sources.protocol import Source

MEDIA = ("image", "audio")
ENCODERS = {"text": "minilm", "image": "efficientnet-lite0", "audio": "logmel"}
_KINDS: tuple[Kind, ...] = ("text", "image", "audio")
_BATCH = 64
_WORKERS = 2


@dataclass(frozen=True)
class Material:
    """A source as arrays.

    Attributes:
        log: its events.
        items: its catalogue in the order of the dense index.
        tokens: text, image, audio and attributes.
        controls: per modality, what its files look like from outside.
        reviews: item_id, event_timestamp, text and the text's vector.
    """

    log: IndexedEvents
    items: pl.DataFrame
    tokens: dict[str, TokenTable]
    controls: dict[str, TokenTable]
    reviews: pl.DataFrame


@dataclass(frozen=True)
class Reader:
    """Reads one source; what was encoded once is kept in `cache`.

    Attributes:
        source: where everything comes from.
        home: folder for converted weights.
        cache: folder for encoded features.
        seed: orders the events of one user and instant.
    """

    source: Source
    home: Path
    cache: Path
    seed: int = 42

    def read(self) -> Material:
        """Everything, encoded."""
        self.source.fetch()
        items = self.source.items().frame.sort("item_id").collect()
        events = self.source.interactions().frame.collect()
        positive = events.filter(pl.col("value") > 0)
        log = indexed_events(positive, items["item_id"].to_list(), self.seed)
        texts = _item_texts(items)
        tokens = {
            "text": _table(
                log.item_ids,
                texts["item_id"].to_list(),
                weigh_title(self._encoded(texts.select("item_id", "text", "title"))),
            )
        }
        controls = {"text": _text_form(log.item_ids, texts)}
        for modality in MEDIA:
            files = self._files(modality)
            keys, vectors = self._media(modality, files)
            tokens[modality] = _table(log.item_ids, keys, vectors)
            controls[modality] = self._media_form(modality, log.item_ids, files, set(keys))
        known = encode_attributes(items["categories"], items["attributes"])
        rows = np.flatnonzero(known.present)
        tokens["attributes"] = _rows(len(items), rows, known.features[rows])
        controls["attributes"] = _rows(len(items), rows, _attributes_form(items)[rows])
        return Material(log, items, tokens, controls, self._reviews(events))

    def _files(self, modality: str) -> pl.DataFrame:
        """item_id and uri of each item's file of the modality, else of its video."""
        media = self.source.media().collect()
        of_modality = media.filter(pl.col("modality") == modality)
        video = media.filter(pl.col("modality") == "video")
        rest = video.join(of_modality, on="item_id", how="anti")
        return pl.concat([of_modality, rest]).select("item_id", "uri").sort("item_id")

    def _contents(self, files: pl.DataFrame) -> list[tuple[str, ...]]:
        """Each item and its file, and the file's size and time: other bytes are other features."""
        return [(item, uri, *_seen(self.source.root / uri)) for item, uri in files.iter_rows()]

    def _encoded(self, texts: pl.DataFrame) -> np.ndarray:
        """Vectors of a key column and the texts of its rows."""
        rows = texts.rows()

        def encode() -> dict[str, np.ndarray]:
            encoder = load_text_encoder(ENCODERS["text"], weights=self.home, device=_cpu())
            parts = [part.features for part in encode_texts(rows, encoder)]
            return {"vectors": np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)}

        return self._kept("text", rows, encode)["vectors"]

    def _media(self, modality: MediaKind, files: pl.DataFrame) -> tuple[list[str], np.ndarray]:
        rows = [MediaRow(item, uri) for item, uri in files.iter_rows()]

        def encode() -> dict[str, np.ndarray]:
            encoder = load_media_encoder(
                modality, ENCODERS[modality], weights=self.home, device=_cpu()
            )
            parts = list(
                encode_media(
                    rows,
                    self.source.root,
                    encoder,
                    limits=MediaLimits(),
                    workers=_WORKERS,
                    batch_size=_BATCH,
                )
            )
            keys = [key for part in parts for key in part.keys]
            return {
                "keys": np.array(keys, dtype=np.str_),
                "vectors": np.concatenate([part.features for part in parts])
                if parts
                else np.zeros((0, 1), dtype=np.float32),
            }

        stored = self._kept(modality, self._contents(files), encode)
        return stored["keys"].tolist(), stored["vectors"]

    def _media_form(
        self, modality: str, item_ids: Vocabulary, files: pl.DataFrame, usable: set[str]
    ) -> TokenTable:
        """Width, height, seconds, log bytes and type of every file that could be encoded."""

        pairs: list[tuple[str, str]] = files.rows()

        def look() -> dict[str, np.ndarray]:
            facts: list[dict[str, Any]] = []
            with DecodePool(self.source.root, MediaLimits(), _WORKERS) as pool:
                for key, seen in pool.map("inspect", pairs, {"modality": modality}):
                    if not isinstance(seen, MediaError):
                        facts.append({"item_id": key, **seen.facts})
            table = pl.DataFrame(facts, infer_schema_length=None)
            if table.is_empty():
                return {"keys": np.zeros(0, dtype=np.str_), "vectors": np.zeros((0, 1))}
            numbers = table.select(
                pl.col("width", "height", "seconds").cast(pl.Float64).fill_null(0),
                pl.col("bytes").cast(pl.Float64).log1p(),
            )
            kinds = table.select(pl.col("mime").fill_null("?")).to_dummies()
            return {
                "keys": table["item_id"].to_numpy().astype(np.str_),
                "vectors": np.hstack([numbers.to_numpy(), kinds.to_numpy()]).astype(np.float32),
            }

        stored = self._kept(f"{modality}-form", self._contents(files), look)
        rows = [row for row, key in enumerate(stored["keys"].tolist()) if key in usable]
        return _table(item_ids, stored["keys"][rows].tolist(), stored["vectors"][rows])

    def _reviews(self, events: pl.DataFrame) -> pl.DataFrame:
        written = events.filter(pl.col("text").fill_null("").str.strip_chars() != "")
        distinct = written.select(key="text", text="text").unique().sort("text")
        vectors = self._encoded(distinct)
        known = pl.DataFrame({"text": distinct["text"], "vector": vectors.tolist()})
        return written.select("item_id", "event_timestamp", "text").join(known, on="text")

    def _kept(
        self,
        name: str,
        inputs: Sequence[tuple[str, ...]],
        make: Callable[[], dict[str, np.ndarray]],
    ) -> dict[str, np.ndarray]:
        made_by = [fingerprint_of(kind, ENCODERS[kind]) for kind in _KINDS]
        known = repr((str(self.source.root), made_by, inputs))
        digest = hashlib.sha256(known.encode()).hexdigest()[:12]
        path = self.cache / f"{name}-{digest}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **make())  # type: ignore[arg-type]
        with np.load(path) as stored:
            return dict(stored)


def _attributes_form(items: pl.DataFrame) -> np.ndarray:
    """How many categories and numbers (n_items, 2) are known."""
    counts = items.select(pl.col("categories", "attributes").list.len().fill_null(0))
    return np.log1p(counts.to_numpy())


def _seen(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ("missing",)
    stat = path.stat()
    return (str(stat.st_size), str(stat.st_mtime_ns))


def _item_texts(items: pl.DataFrame) -> pl.DataFrame:
    """What is encoded of each item that says anything, and whether it has a description."""
    described = pl.col("text").fill_null("").str.strip_chars() != ""
    return read_of_items(items.lazy().with_columns(described=described)).collect()


def _text_form(item_ids: Vocabulary, texts: pl.DataFrame) -> TokenTable:
    """Whether there is a description, and how long the text is."""
    form = texts.select(
        pl.col("described").cast(pl.Float32), pl.col("text").str.len_chars().log1p()
    )
    return _table(item_ids, texts["item_id"].to_list(), form.to_numpy())


def _table(item_ids: Vocabulary, keys: list[str], features: np.ndarray) -> TokenTable:
    dense = item_ids.indexes(keys)
    order = np.argsort(dense, kind="stable")
    return _rows(len(item_ids), dense[order], features[order])


def _rows(n_items: int, items: np.ndarray, features: np.ndarray) -> TokenTable:
    known_at = np.zeros(len(items), dtype=np.int64)
    return TokenTable(n_items, items.astype(np.int32), known_at, features.astype(np.float32))


def _cpu() -> torch.device:
    return torch.device("cpu")
