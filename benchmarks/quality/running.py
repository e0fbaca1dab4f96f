"""One run: every chosen model answers on every split, from what was kept or afresh."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assets.datasets import SplitData
from benchmarks._tokens import Material
from benchmarks.peers.catalogue import PeerEntry
from benchmarks.peers.exchange import Answer, Task
from benchmarks.quality import ours, theirs
from benchmarks.quality.handover import task
from benchmarks.quality.material import array_digest, content_features, digest, events_digest
from benchmarks.quality.registry import HYBRID, Entry, Settings, registry
from benchmarks.quality.results import code_digest, commit, keep, kept, key_of
from benchmarks.quality.theirs import Skipped
from models.failures import FIT_FAILURES
from models.protocol import NothingToLearnError
from models.splits.names import COLD_ITEM

PEER = "peer"
_PEERS = Path(__file__).parents[1] / "peers"
_log = logging.getLogger(__name__)
_ASKED = "benchmarks/quality/handover.py"
_OUR_CODE = (
    "models",
    "benchmarks/_tokens.py",
    "benchmarks/quality/registry.py",
    "benchmarks/quality/ours.py",
    _ASKED,
)
_HYBRID = "models/hmdf"
"""What no other model reads."""
_PEER_CODE = (
    "benchmarks/peers/__main__.py",
    "benchmarks/peers/catalogue.py",
    "benchmarks/peers/exchange.py",
    "benchmarks/peers/ranking.py",
    "benchmarks/peers/tuning.py",
    _ASKED,
)
"""What every peer runs; its library's files and lock come on top.

grids.json is no code: a peer's own row of it is in its key.
"""


@dataclass(frozen=True)
class Run:
    """What takes part, and where answers are kept.

    Attributes:
        folder: of the kept answers.
        seed: of splits, ties and models.
        only: names that take part; all where it is empty.
        peers: the peers that take part.
        settings: of the peers that are not tuned again, by name.
    """

    folder: Path
    seed: int
    only: frozenset[str]
    peers: tuple[PeerEntry, ...]
    settings: Mapping[str, Settings] = field(default_factory=dict)

    def takes(self, name: str) -> bool:
        """Whether the model of that name takes part."""
        return not self.only or name in self.only

    def names(self) -> set[str]:
        """Every name that `only` may hold."""
        ours = {entry.name for entry in registry(self.seed)}
        return ours | {entry.name for entry in self.peers}


@dataclass(frozen=True)
class Given:
    """One model's answer on one split, or why there is none."""

    name: str
    kind: str
    answer: Answer | Skipped


def answers(run: Run, data: SplitData, material: Material) -> Iterator[Given]:
    """The answer of each model of ours on the split, then of each peer."""
    stamp = commit()
    known = digest(data)
    whole, without_hybrid = code_digest(_OUR_CODE), code_digest(_OUR_CODE, without=_HYBRID)
    for entry in _ours(run, data):
        code = whole if entry.name == HYBRID else without_hybrid
        key = key_of(known, entry.grid, entry.refits, run.seed, code)
        answer = kept(run.folder / data.name, entry.name, key)
        if answer is None:
            try:
                answer = _stamped(ours.answer(entry, data, run.seed), stamp)
            except NothingToLearnError as error:
                yield Given(entry.name, entry.kind, Skipped(str(error), failed=False))
                continue
            except FIT_FAILURES as error:
                # Like a peer's failure, it is listed and does not end the run.
                _log.exception("%s failed on %s.", entry.name, data.name)
                yield Given(entry.name, entry.kind, Skipped(repr(error), failed=True))
                continue
            keep(run.folder / data.name, entry.name, key, answer)
        yield Given(entry.name, entry.kind, answer)
    yield from _their_answers(run, data, material, stamp)


def _their_answers(run: Run, data: SplitData, material: Material, stamp: str) -> Iterator[Given]:
    features = content_features(material)
    content = array_digest(features) if data.name == COLD_ITEM else ""
    known = events_digest(data) + content
    peer_task: Task | None = None
    for entry in run.peers:
        if not run.takes(entry.name) or data.name not in entry.splits:
            continue
        chosen = run.settings.get(entry.name)
        asks = (entry.grid, vars(entry.budget)) if chosen is None else chosen
        key = key_of(known, asks, run.seed, _peer_code(entry))
        answer: Answer | Skipped | None = kept(run.folder / data.name, entry.name, key)
        if answer is None:
            peer_task = peer_task or task(data, features, run.seed)
            answer = theirs.answer(entry, peer_task, chosen)
            if isinstance(answer, Answer):
                answer = _stamped(answer, stamp)
                keep(run.folder / data.name, entry.name, key, answer)
        yield Given(entry.name, PEER, answer)


def _peer_code(entry: PeerEntry) -> str:
    """A key of the code of the peer, without that for other libraries."""
    names = sorted(path.name for path in _PEERS.glob(f"{entry.library}_*.py"))
    files = [f"benchmarks/peers/{name}" for name in names]
    lock = f"benchmarks/peers/environments/{entry.environment}.txt"
    return code_digest((*_PEER_CODE, *files, lock))


def _ours(run: Run, data: SplitData) -> list[Entry]:
    return [
        entry
        for entry in registry(run.seed)
        if run.takes(entry.name)
        and data.name in entry.splits
        and (entry.modality is None or entry.modality in data.dataset.tokens)
    ]


def _stamped(answer: Answer, stamp: str) -> Answer:
    facts: Mapping[str, Any] = {**answer.facts, "commit": stamp}
    return replace(answer, facts=facts)
