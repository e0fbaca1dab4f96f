"""From what an item is to who will choose it: the retriever of items nobody has touched."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve

from crossmodal.modalities import TIME_DEPENDENT
from models.baselines.als import ALSConfig, factorise
from models.baselines.block_kernel import Strengths, learned_strengths
from models.baselines.configured import BaselineConfig, ConfiguredBaseline
from models.baselines.content_blocks import ContentBlocks
from models.baselines.folding_in import fold_in
from models.baselines.recency import choice_matrix, history_weights
from models.data import Dataset, Floats, Histories, Ints, TokenTable
from models.extending import further_ties, of_width, placed
from models.reducers import BLOCKS
from models.training import one_blas_thread

_BLOCK = 2048
_MOST_VIEWERS = 4096


class ColdStartMapConfig(BaselineConfig):
    """Settings of the map."""

    factors: int = Field(default=128, ge=1, description="Directions of taste that are predicted.")
    confidence: float = Field(
        default=3.0,
        gt=0,
        description="How much more an event counts than its absence where taste is learned, α.",
    )
    shrinkage: float = Field(
        default=10.0, gt=0, description="Ridge penalty of every vector of taste."
    )
    blocks: Mapping[str, tuple[str, ...]] = Field(
        default=BLOCKS,
        description="What stands side by side in a modality's features, in parts of equal width; "
        "a modality that is not named is one block of its own name.",
    )
    left_out: tuple[str, ...] = Field(default=(), description="Names of blocks that are not read.")
    widest: int = Field(
        default=512, ge=1, description="A block with more numbers is cut to `components`."
    )
    components: int = Field(default=32, ge=1, description="Principal components of a wide one.")
    anchors: int = Field(
        default=8192, ge=1, description="Most items that are learned from, the most chosen first."
    )
    judges: int = Field(
        default=800,
        ge=1,
        description="How many of the anchors judge what a block counts for, the most chosen first.",
    )
    decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Weight of an event of a history over that of the one after it.",
    )


class ColdStartMap(ConfiguredBaseline[ColdStartMapConfig]):
    """score(u, j) = x_u · f(z_j), f a kernel ridge regression from content to taste.

    Taste is what alternating least squares makes of the choices (`models.baselines.als`): a vector
    y_i an item. f is fitted to them: f(z) = ȳ + Σ_a k(z, z_a) c_a with c = (K + λI)⁻¹ (Y - ȳ) and
    k(z, z') = exp(-‖z - z'‖²_w) + ⟨z, z'⟩_a. What is linear in the content is a matrix, so that
    f(z) = ȳ + Σ_a exp(-‖z - z_a‖²_w) c_a + Aᵀz. The weights w and a, one of each a block, and λ
    are learned (`models.baselines.block_kernel`), from errors as users would see them: X (y - f).
    A user is the vector x that the items of the history solve for, so that a new event counts at
    once. z has the blocks of the modalities, standardised, absent ones at their mean, and a
    number per modality that says whether it is there.
    (Attributes to factors: Gantner et al. 2010; kernel ridge: Saunders, Gammerman and Vovk 1998.)
    """

    family = name = "cold_start_map"
    settings_type = ColdStartMapConfig
    stored = (
        "codes",
        "taste",
        "taste_gram",
        "anchors",
        "near_weights",
        "coefficients",
        "linear_map",
        "offset",
    )

    _masked: "_CodesOnDemand | None" = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that the fit has read."""
        return tuple(ContentBlocks.of_arrays(self.arrays).widths)

    @one_blas_thread()
    def fit(self, dataset: Dataset) -> Self:
        """Regresses the taste of the training's choices on content."""
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        warm = counts > 0
        tokens, config = _timeless(dataset.tokens), self.config
        content = ContentBlocks.fit(tokens, warm, config.blocks, config.widest, config.components)
        taste = self._targets(dataset)
        # Nobody could have chosen later items, so not having chosen them says nothing.
        # `_in_score_coordinates` reads what is kept here, and `_codes` what is added to it below:
        # keep this order.
        self._remember(dataset, taste=taste, taste_gram=taste.T @ taste, **content.arrays())
        most = min(int(warm.sum()), config.anchors)
        rows: Ints = np.argsort(-counts, kind="stable")[:most].astype(np.int32)
        offset = taste[rows].mean(axis=0) if len(rows) else np.zeros(taste.shape[1])
        parts = content.parts(tokens, dataset.n_items, config.left_out)
        judges = rows[: config.judges]
        strengths = learned_strengths(
            [x[judges] for x in parts], self._in_score_coordinates(judges, dataset)
        )
        z, widths = np.hstack(parts), [x.shape[1] for x in parts]
        self.arrays |= _regressed(z[rows], taste[rows] - offset, strengths, widths)
        self.arrays["offset"] = offset.astype(np.float32)
        self.arrays["codes"] = self._codes(z)
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items), alike for items with and without events."""
        codes = self._codes_for(items)
        chosen = codes if items is None else codes[items]
        return np.asarray(self._vectors(users) @ chosen.T, dtype=np.float32)

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """The same map over other item tokens, with nothing fitted again."""
        other = type(self)(self.config)
        other.arrays = dict(self.arrays)
        content = self._content(tokens, len(self.learned("codes")))
        other._masked = _CodesOnDemand(content, self._codes, self.learned("codes").shape[1])
        return other

    def save(self, folder: Path) -> None:
        """Writes the map into an existing folder."""
        self.arrays = {**self.arrays, "codes": self._codes_for(None)}
        super().save(folder)

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> Self:
        """The same map over further and changed items; see `models.protocol.Extendable`.

        An item of a history that has no taste yet gets the one that its content predicts.
        """
        codes = self._codes(
            self._content(
                of_width(_timeless(tokens), ContentBlocks.of_arrays(self.arrays).widths),
                len(places),
            )
        )
        taste = self.learned("taste")
        new = places >= len(taste)
        other = type(self)(self.config)
        other.arrays = {
            **self.arrays,
            "codes": placed(self._codes_for(None), places, codes),
            "taste": placed(taste, places[new], codes[new]),
            "ties": further_ties(self.learned("ties"), places),
        }
        return other

    def _in_score_coordinates(self, items: Ints, dataset: Dataset) -> np.ndarray:
        """Tastes (n, f), centred, in coordinates in which ‖y‖² = Σ_u (x_u · y)².

        So an error has the length by which it changes the users' scores.
        """
        step = -(-dataset.n_users // _MOST_VIEWERS)
        viewers = np.arange(0, dataset.n_users, max(1, step), dtype=np.int32)
        users = self._vectors(dataset.histories(viewers)).astype(np.float64)
        values, axes = np.linalg.eigh(users.T @ users)
        taste = self.learned("taste")[items].astype(np.float64)
        centred = taste - (taste.mean(axis=0) if len(taste) else 0)
        return np.asarray(centred @ (axes * np.sqrt(np.maximum(values, 0))))

    def _targets(self, dataset: Dataset) -> Floats:
        """What content predicts: y (n_items, factors)."""
        choices = choice_matrix(
            dataset.train.users, dataset.train.items, dataset.n_users, dataset.n_items
        )
        return factorise(choices, _als(self.config))[1]

    def _vectors(self, users: Histories) -> Floats:
        """x (n_users, factors)."""
        taste = self.learned("taste")
        history = history_weights(users, len(taste), self.config.decay)
        als = _als(self.config)
        return fold_in(history, taste, self.learned("taste_gram"), als.confidence, als.strength)

    def _content(self, tokens: Mapping[str, TokenTable], n_items: int) -> Floats:
        """z (n_items, q)."""
        blocks = ContentBlocks.of_arrays(self.arrays)
        return np.hstack(blocks.parts(tokens, n_items, self.config.left_out))

    def _codes_for(self, items: Ints | None) -> Floats:
        """Codes (n_items, factors), of which those of the items, or of all, are right."""
        return self.learned("codes") if self._masked is None else self._masked.made(items)

    def _codes(self, content: Floats) -> Floats:
        """f(z) (n, factors) of content (n, q)."""
        anchors, weights = self.learned("anchors"), self.learned("near_weights")
        codes = content @ self.learned("linear_map") + self.learned("offset")
        for start in range(0, len(content), _BLOCK):
            near = _nearness(content[start : start + _BLOCK], anchors, weights)
            codes[start : start + _BLOCK] += near @ self.learned("coefficients")
        return np.asarray(codes, dtype=np.float32)


class _CodesOnDemand:
    """Codes of other content, made of the items that are asked for, which are few where it is cold.

    Args:
        content: z (n_items, q).
        codes_of: makes codes (n, factors) of content (n, q).
        factors: numbers of a code.
    """

    def __init__(self, content: Floats, codes_of: Callable[[Floats], Floats], factors: int) -> None:
        self._content, self._codes_of = content, codes_of
        codes = np.zeros((len(content), factors), dtype=np.float32)
        self._codes_and_made = codes, np.zeros(len(content), dtype=bool)

    def made(self, items: Ints | None) -> Floats:
        """The codes (n_items, factors), of which those of the items, or of all, are right."""
        codes, is_made = self._codes_and_made
        asked = np.zeros(len(is_made), dtype=bool)
        asked[slice(None) if items is None else items] = True
        missing = np.flatnonzero(asked & ~is_made)
        if len(missing):
            # Copies, kept in one step: other threads may read, and what came from another process
            # may be read-only.
            codes, is_made = codes.copy(), is_made.copy()
            codes[missing], is_made[missing] = self._codes_of(self._content[missing]), True
            self._codes_and_made = codes, is_made
        return codes


class ContentPopularity(ColdStartMap):
    """score(u, j) = f(z_j), the same for every user: log(1 + events) as content predicts it.

    f is the regression of `ColdStartMap`. What is chosen much is in part plain from what it is.
    """

    family = name = "content_popularity"

    def _targets(self, dataset: Dataset) -> Floats:
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        return np.log1p(counts, dtype=np.float32)[:, None]

    def _vectors(self, users: Histories) -> Floats:
        return np.ones((len(users), 1), dtype=np.float32)


def _regressed(
    anchors: Floats, targets: np.ndarray, strengths: Strengths, widths: list[int]
) -> dict[str, np.ndarray]:
    """The ridge regression of targets (a, f) on anchors (a, q), parts of the given widths."""
    near, linear = np.repeat(strengths.near, widths), np.repeat(strengths.linear, widths)
    kernel = _nearness(anchors, anchors, near).astype(np.float64) + (anchors * linear) @ anchors.T
    kernel.flat[:: len(kernel) + 1] += strengths.penalty
    solved = np.zeros(targets.shape)
    if len(kernel):
        factor = cho_factor(kernel, lower=True, overwrite_a=True)
        solved = cho_solve(factor, targets.astype(np.float64))
    return {
        "anchors": anchors,
        "near_weights": near,
        "coefficients": solved.astype(np.float32),
        "linear_map": (linear[:, None] * (anchors.T @ solved)).astype(np.float32),
    }


def _nearness(content: Floats, anchors: Floats, weights: Floats) -> Floats:
    """exp(-‖z - z_a‖²_w) (n, a) of content (n, q) to anchors (a, q), of weights w (q,)."""
    scaled_content, scaled_anchors = content * np.sqrt(weights), anchors * np.sqrt(weights)
    lengths = np.einsum("aq,aq->a", scaled_anchors, scaled_anchors)
    # In place: there are tens of millions of pairs.
    near: Floats = scaled_content @ (2 * scaled_anchors).T
    near -= lengths
    near -= np.einsum("nq,nq->n", scaled_content, scaled_content)[:, None]
    np.minimum(near, 0, out=near)
    return np.exp(near, out=near)


def _timeless(tokens: Mapping[str, TokenTable]) -> dict[str, TokenTable]:
    """What an item can have before anyone has touched it."""
    return {name: table for name, table in tokens.items() if name not in TIME_DEPENDENT}


def _als(config: ColdStartMapConfig) -> ALSConfig:
    return ALSConfig(
        factors=config.factors,
        confidence=config.confidence,
        strength=config.shrinkage,
        seed=config.seed,
    )
