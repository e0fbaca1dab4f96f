"""Fitting a head: chosen on some held-out items, reported on others, refitted on all."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.alignment.head import AlignmentHead, standardisation, unaligned_head, unit_rows
from models.alignment.report import AlignmentReport, Retrieval
from models.alignment.retrieval import Placements, placements
from models.alignment.ridge import RidgePath
from models.data import Floats

Method = Literal["auto", "ridge", "contrastive"]

MIN_PAIRS = 50
"""Fewer items with both the modality and a text fit no head."""

_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5)
_HELD_OUT = 0.15
_MOST_HELD_OUT = 2000
_EPOCHS = 100
_PATIENCE = 8


@dataclass(frozen=True)
class _Parts:
    """Row numbers of the items that fit, choose and judge."""

    fit: NDArray[np.intp]
    selection: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True)
class _Choice:
    head: AlignmentHead
    placed: Placements


def fit_alignment(
    features: Floats,
    anchors: Floats,
    control: Floats,
    *,
    method: Method = "auto",
    seed: int = 42,
) -> tuple[AlignmentHead, AlignmentReport]:
    """A head from a tower's features to the text vectors of the same items.

    Args:
        features: (n, d) of the items that have both the modality and a text.
        anchors: (n, dim) unit text vectors.
        control: (n, c) what is known without decoding: presence, size, format; c may be zero.
        method: ridge, contrastive, or auto: contrastive only where it wins on held-out items by
            more than chance would have it.
        seed: of the split and the contrastive fit; one seed, same bytes.

    Returns:
        The head fitted on all pairs, and a report measured before that on items held out of both
        fit and choice. With fewer than `MIN_PAIRS` pairs the head is `unaligned_head`.
    """
    if len(features) < MIN_PAIRS:
        return _unaligned(features, anchors.shape[1])
    parts = _split(len(features), seed)
    path = RidgePath(features[parts.fit], anchors[parts.fit])
    picked = (features[parts.selection], anchors[parts.selection])
    choices = [_judged(path.head(strength), *picked) for strength in _STRENGTHS]
    best = ridge = _best(choices)
    if method != "ridge":
        challenger = _contrastive(ridge.head, path, picked, seed)
        choices.append(challenger)
        if method == "contrastive" or _wins(challenger, best):
            best = challenger
    report = _report(best.head, choices, features, anchors, control, parts, seed)
    begin = RidgePath(features, anchors).head(ridge.head.strength)
    return _refitted(best.head, begin, features, anchors, seed), report


def _split(n: int, seed: int) -> _Parts:
    order = np.random.default_rng(seed).permutation(n)
    held_out = min(max(10, round(_HELD_OUT * n)), _MOST_HELD_OUT)
    return _Parts(
        np.sort(order[2 * held_out :]),
        np.sort(order[held_out : 2 * held_out]),
        np.sort(order[:held_out]),
    )


def _judged(head: AlignmentHead, features: Floats, anchors: Floats) -> _Choice:
    return _Choice(head, placements(head.transform(features), anchors))


def _best(choices: list[_Choice]) -> _Choice:
    return max(choices, key=lambda choice: float(choice.placed.gains().mean()))


def _wins(challenger: _Choice, champion: _Choice) -> bool:
    """Whether the paired gain in NDCG exceeds two standard errors, and recall@10 rises.

    A narrower margin would let the better of two noisy figures win, not the better head.
    """
    gain = challenger.placed.gains() - champion.placed.gains()
    error = gain.std(ddof=1) / len(gain) ** 0.5
    return bool(
        gain.mean() > 2 * error and challenger.placed.recall_at(10) > champion.placed.recall_at(10)
    )


def _contrastive(
    start: AlignmentHead, path: RidgePath, picked: tuple[Floats, Floats], seed: int
) -> _Choice:
    from models.alignment.contrastive import best_epoch, contrastive_heads

    heads = contrastive_heads(start, path.features, path.anchors, epochs=_EPOCHS, seed=seed)
    head, _ = best_epoch(
        heads, lambda tried: float(_judged(tried, *picked).placed.gains().mean()), _PATIENCE
    )
    return _judged(head, *picked)


def _refitted(
    chosen: AlignmentHead, ridge: AlignmentHead, features: Floats, anchors: Floats, seed: int
) -> AlignmentHead:
    if chosen.method == "ridge":
        return ridge
    from models.alignment.contrastive import contrastive_heads

    epochs = int(chosen.strength)
    *_, last = contrastive_heads(ridge, features, anchors, epochs=epochs, seed=seed)
    return last


def _report(
    head: AlignmentHead,
    choices: list[_Choice],
    features: Floats,
    anchors: Floats,
    control: Floats,
    parts: _Parts,
    seed: int,
) -> AlignmentReport:
    texts = anchors[parts.test]
    n = len(parts.test)
    return AlignmentReport(
        method=head.method,
        strength=head.strength,
        n_pairs=len(features),
        n_fit=len(parts.fit),
        n_selection=len(parts.selection),
        n_heldout=n,
        aligned=_retrieval(head.transform(features[parts.test]), texts),
        chance=Retrieval(1 / n, min(10, n) / n),
        control=_control(control, anchors, parts),
        untuned=_retrieval(_projected(features, anchors.shape[1], parts.test, seed), texts),
        candidates=tuple((c.head.method, c.head.strength, c.placed.recall_at(10)) for c in choices),
    )


def _control(control: Floats, anchors: Floats, parts: _Parts) -> Retrieval:
    """The same fit on presence and format, at the strength that suits it best."""
    described = np.hstack([control, np.ones((len(control), 1))]).astype(np.float32)
    path = RidgePath(described[parts.fit], anchors[parts.fit])
    picked = (described[parts.selection], anchors[parts.selection])
    best = _best([_judged(path.head(strength), *picked) for strength in _STRENGTHS])
    return _retrieval(best.head.transform(described[parts.test]), anchors[parts.test])


def _projected(features: Floats, dim: int, rows: NDArray[np.intp], seed: int) -> Floats:
    """A random projection of the standardised features, as they are before any fit."""
    mean, scale = standardisation(features)
    projection = np.random.default_rng(seed).standard_normal((features.shape[1], dim))
    projected = ((features[rows] - mean) / scale) @ projection
    return unit_rows(projected).astype(np.float32)


def _retrieval(queries: Floats, texts: Floats) -> Retrieval:
    placed = placements(queries, texts)
    return Retrieval(placed.recall_at(1), placed.recall_at(10))


def _unaligned(features: Floats, dim: int) -> tuple[AlignmentHead, AlignmentReport]:
    note = (
        f"Only {len(features)} items have both this modality and a text, fewer than the "
        f"{MIN_PAIRS} that an alignment needs; its vectors do not compare with text."
    )
    return unaligned_head(features, dim), AlignmentReport("none", 0.0, len(features), note=note)
