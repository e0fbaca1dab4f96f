"""Splits put together once for all models that are fitted to them or judged by them.

To sort the events, give them dense indexes and read the tokens takes a second for a million events,
and a run asks for the same three splits about ninety times. What was put together is kept below
the home and mapped, so that processes which read the same split share its memory.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assets.datasets import SPLIT_INPUTS, SplitData, split_data
from assets.stage import input_version
from crossmodal.atomic import scratch_folder, sync
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.data import Dataset, Interactions, TokenTable, Vocabulary
from models.persistence import ModelFormatError, load_state, save_state

_FAMILY = "split"
_FORM = 1
"""Another form, or another way from the tables to the arrays, has another number."""

_EVENTS = ("users", "items", "values", "timestamps")
_TOKENS = ("items", "known_at", "features")
_log = logging.getLogger(__name__)


def assembled_split(workspace: Workspace, split: str) -> SplitData:
    """`split_data`, put together by the first who asks and mapped by all others.

    Its arrays may be written to: what changes is this process's own. Only the newest state of a
    split is kept.
    """
    place = workspace.paths.assembled / split
    folder = place / _state_of(workspace.lake)
    if folder.is_dir():
        try:
            return _read(folder, split)
        except ModelFormatError:
            _log.warning("%s is damaged: the split is put together once more.", folder)
            # Others may find the same damage at the same time, and delete it too.
            shutil.rmtree(folder, ignore_errors=True)
    data = split_data(workspace.lake, split)
    _keep(data, folder)
    for older in place.glob("[!.]*"):
        if older != folder:
            # Whoever maps it keeps it, except on Windows, where the next one deletes it.
            shutil.rmtree(older, ignore_errors=True)
    return data


def _state_of(lake: Lake) -> str:
    """A name for what a split is made from."""
    versions = {table: input_version(lake, table) for table in SPLIT_INPUTS}
    seed = lake.version("splits").summary["seed"]
    text = json.dumps([_FORM, versions, seed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _keep(data: SplitData, folder: Path) -> None:
    """Writes a split under its name, unless somebody else has just done so."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder.parent) as scratch:
        whole = scratch / folder.name
        whole.mkdir()
        arrays, described = _described(data)
        save_state(whole, arrays, described, family=_FAMILY)
        # No checksum would show what a loss of power has kept from the disk.
        for path in (*whole.iterdir(), whole):
            sync(path)
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def _described(data: SplitData) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    dataset = data.dataset
    events = {"train": dataset.train, "validation": dataset.validation, "test": data.test}
    arrays = {
        "candidates": data.candidates,
        "validation_candidates": data.validation_candidates,
        "context": dataset.context,
        **{f"{part}.{name}": getattr(of, name) for part, of in events.items() for name in _EVENTS},
        **{
            f"tokens.{modality}.{name}": getattr(table, name)
            for modality, table in dataset.tokens.items()
            for name in _TOKENS
        },
    }
    if data.categories is not None:
        arrays["categories"] = data.categories
    described = {
        "user_ids": dataset.user_ids.ids,
        "item_ids": dataset.item_ids.ids,
        "modalities": list(dataset.tokens),
        "context_names": dataset.context_names,
    }
    return arrays, described


def _read(folder: Path, split: str) -> SplitData:
    """What `_keep` wrote.

    Raises:
        ModelFormatError: it is damaged, or not whole.
    """
    arrays, described = load_state(folder, family=_FAMILY)
    try:
        users, items = (Vocabulary(tuple(described[name])) for name in ("user_ids", "item_ids"))
        dataset = Dataset(
            users,
            items,
            _events(arrays, "train"),
            _events(arrays, "validation"),
            {name: _tokens(arrays, name, len(items)) for name in described["modalities"]},
            arrays["context"],
            tuple(described["context_names"]),
        )
        return SplitData(
            split,
            dataset,
            _events(arrays, "test"),
            arrays["candidates"],
            arrays["validation_candidates"],
            arrays.get("categories"),
        )
    except KeyError as error:
        raise ModelFormatError(f"{folder} lacks {error}.") from error


def _events(arrays: Mapping[str, np.ndarray], part: str) -> Interactions:
    return Interactions(*(arrays[f"{part}.{name}"] for name in _EVENTS))


def _tokens(arrays: Mapping[str, np.ndarray], modality: str, n_items: int) -> TokenTable:
    return TokenTable(n_items, *(arrays[f"tokens.{modality}.{name}"] for name in _TOKENS))
