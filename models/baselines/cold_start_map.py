"""From what an item is to who will choose it: the retriever of items nobody has touched."""

from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve

from models.baselines.als import ALSConfig, factorise, fold_in
from models.baselines.block_kernel import Strengths, learned_strengths
from models.baselines.configured import BaselineConfig, ConfiguredBaseline
from models.baselines.recency import choice_matrix, history_matrix
from models.content import TIME_DEPENDENT
from models.data import Bools, Dataset, Floats, Histories, Ints, TokenTable
from models.extending import further_ties, of_width, placed
from models.reducers import BLOCKS

_BLOCK = 2048
_MOST_VIEWERS = 4096


class ColdStartMapConfig(BaselineConfig):
    """Settings of the map."""

    factors: int = Field(default=128, ge=1, description="Directions of taste that are foretold.")
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

    def blocks_of(self, modality: str) -> tuple[str, ...]:
        """Names of the blocks of a modality."""
        return self.blocks.get(modality, (modality,))


class ColdStartMap(ConfiguredBaseline[ColdStartMapConfig]):
    """score(u, j) = x_u · f(z_j), f a kernel ridge regression from content to taste.

    Taste is what alternating least squares makes of the choices (`models.baselines.als`): a vector
    y_i an item. f is fitted to them: f(z) = ȳ + Σ_a k(z, z_a) c_a with c = (K + λI)⁻¹ (Y - ȳ) and
    k(z, z') = exp(-‖z - z'‖²_w) + ⟨z, z'⟩_a. What is linear in the content is a matrix, so that
    f(z) = ȳ + Σ_a exp(-‖z - z_a‖²_w) c_a + S z. The weights w and a, one of each a block, and λ
    are learned (`models.baselines.block_kernel`), from errors as users would see them: X (y - f).
    A user is the vector x that the items of the history solve for, so that a new event counts at
    once. z has the blocks of the modalities, standardised, absent ones at their mean, and a
    number a modality that says whether it is there.
    (Attributes to factors: Gantner et al. 2010; kernel ridge: Saunders, Gammerman and Vovk 1998.)
    """

    family = name = "cold_start_map"
    settings_type = ColdStartMapConfig
    stored = ("codes", "taste", "anchors", "coefficients", "offset", "slopes", "nearness")

    def fit(self, dataset: Dataset) -> Self:
        """Regresses the taste of the training's choices on content."""
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        warm = counts > 0
        tokens = _timeless(dataset.tokens)
        learned: dict[str, np.ndarray] = {}
        for name, table in tokens.items():
            learned |= self._standardisations(name, table, warm)
        self._remember(dataset, **learned)
        self.arrays["taste"] = taste = self._targets(dataset)
        rows = np.argsort(-counts, kind="stable")[: min(int(warm.sum()), self.config.anchors)]
        offset = taste[rows].mean(axis=0) if len(rows) else np.zeros(taste.shape[1])
        self.arrays["offset"] = offset.astype(np.float32)
        blocks = self._parts(tokens, dataset.n_items)
        judges = rows[: self.config.judges]
        found = learned_strengths(
            [block[judges] for block in blocks], self._as_seen(taste[judges], dataset)
        )
        content = np.hstack(blocks)
        self._regress(content[rows], taste[rows] - offset, found, [x.shape[1] for x in blocks])
        self.arrays["codes"] = self._codes(content)
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items), alike for items with and without events."""
        codes = self.learned("codes")
        chosen = codes if items is None else codes[items]
        return np.asarray(self._vectors(users) @ chosen.T, dtype=np.float32)

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """The same map over other item tokens, with nothing fitted anew."""
        other = type(self)(self.config)
        other.arrays = dict(self.arrays)
        content = self._content(tokens, len(self.learned("codes")))
        other.arrays["codes"] = self._codes(content)
        return other

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> Self:
        """The same map over further and changed items; see `models.protocol.Extendable`.

        In a history, an item that has no taste yet has the one that its content foretells.
        """
        own = self._codes(self._content(of_width(_timeless(tokens), self._widths()), len(places)))
        taste = self.learned("taste")
        new = places >= len(taste)
        other = type(self)(self.config)
        other.arrays = {
            **self.arrays,
            "codes": placed(self.learned("codes"), places, own),
            "taste": placed(taste, places[new], own[new]),
            # Nobody could have chosen what was not there: it says nothing of those who did not.
            "fitted_taste": taste,
            "ties": further_ties(self.learned("ties"), places),
        }
        return other

    def _as_seen(self, taste: Floats, dataset: Dataset) -> np.ndarray:
        """Targets (n, factors), so turned that ‖y‖ is that of what users see of it, X (y - ȳ)."""
        step = -(-dataset.n_users // _MOST_VIEWERS)
        viewers = np.arange(0, dataset.n_users, max(1, step), dtype=np.int32)
        users = self._vectors(dataset.histories(viewers)).astype(np.float64)
        values, axes = np.linalg.eigh(users.T @ users)
        centred = taste.astype(np.float64) - (taste.mean(axis=0) if len(taste) else 0)
        return np.asarray(centred @ (axes * np.sqrt(np.maximum(values, 0))))

    def _regress(
        self, anchors: Floats, targets: np.ndarray, found: Strengths, widths: list[int]
    ) -> None:
        """Coefficients (a, f) and slopes (q, f) of targets (a, f) on anchors (a, q)."""
        slope = np.repeat(found.slope, widths)
        self.arrays |= {"anchors": anchors, "nearness": np.repeat(found.near, widths)}
        kernel = self._nearness(anchors).astype(np.float64) + (anchors * slope) @ anchors.T
        kernel.flat[:: len(kernel) + 1] += found.penalty
        solved = np.zeros(targets.shape)
        if len(kernel):
            factor = cho_factor(kernel, lower=True, overwrite_a=True)
            solved = cho_solve(factor, targets.astype(np.float64))
        self.arrays["coefficients"] = solved.astype(np.float32)
        self.arrays["slopes"] = (slope[:, None] * (anchors.T @ solved)).astype(np.float32)

    def _targets(self, dataset: Dataset) -> Floats:
        """What content foretells: y (n_items, factors)."""
        choices = choice_matrix(
            dataset.train.users, dataset.train.items, dataset.n_users, dataset.n_items
        )
        return factorise(choices, _als(self.config))[1]

    def _vectors(self, users: Histories) -> Floats:
        """x (n_users, factors)."""
        taste = self.learned("taste")
        history = history_matrix(users, len(taste), self.config.decay)
        return fold_in(history, taste, _als(self.config), self.arrays.get("fitted_taste"))

    def _standardisations(
        self, modality: str, table: TokenTable, warm: Bools
    ) -> dict[str, np.ndarray]:
        """Mean (p,) and axes (p, c) of each block: z = (x - mean) axes has variance 1 in all."""
        features, present = table.at()
        known = features[present & warm].astype(np.float64)
        if not len(known):
            known = np.zeros((1, features.shape[1]))
        learned: dict[str, np.ndarray] = {}
        for block, x in self._blocks(modality, known):
            axes = _axes(x, self.config.widest, self.config.components)
            learned[f"content.{modality}.{block}.mean"] = x.mean(axis=0).astype(np.float32)
            learned[f"content.{modality}.{block}.axes"] = axes.astype(np.float32)
        return learned

    def _blocks(self, modality: str, features: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Names and columns of the blocks of a modality's features (n, p)."""
        names = self.config.blocks_of(modality)
        return zip(names, np.array_split(features, len(names), axis=1), strict=True)

    def _parts(self, tokens: Mapping[str, TokenTable], n_items: int) -> list[Floats]:
        """The parts of z, (n_items, q_b) each: a modality's blocks, then whether it is there."""
        parts: list[Floats] = []
        for modality in sorted({key.split(".")[1] for key in self.arrays if "content." in key}):
            if set(self.config.blocks_of(modality)).issubset(self.config.left_out):
                continue
            features, present = self._features(modality, tokens, n_items)
            parts += self._standardised(modality, features, present)
            parts.append(present[:, None].astype(np.float32))
        return parts or [np.zeros((n_items, 1), dtype=np.float32)]

    def _standardised(self, modality: str, features: Floats, present: Bools) -> Iterator[Floats]:
        """The blocks of a modality that are read, (n_items, q_b) each, 0 where absent."""
        for block, x in self._blocks(modality, features):
            if block not in self.config.left_out:
                mean = self.arrays[f"content.{modality}.{block}.mean"]
                z = (x - mean) @ self.arrays[f"content.{modality}.{block}.axes"]
                yield np.where(present[:, None], z, np.float32(0))

    def _content(self, tokens: Mapping[str, TokenTable], n_items: int) -> Floats:
        """z (n_items, q)."""
        return np.hstack(self._parts(tokens, n_items))

    def _features(
        self, modality: str, tokens: Mapping[str, TokenTable], n_items: int
    ) -> tuple[Floats, Bools]:
        """Features (n_items, p) of a modality and who has them: nobody where tokens lack it."""
        if modality in tokens:
            return tokens[modality].at()
        width = self._widths()[modality]
        return np.zeros((n_items, width), np.float32), np.zeros(n_items, dtype=bool)

    def _widths(self) -> dict[str, int]:
        """Numbers of each modality's features."""
        widths: dict[str, int] = {}
        for key, mean in self.arrays.items():
            if key.startswith("content.") and key.endswith(".mean"):
                modality = key.split(".")[1]
                widths[modality] = widths.get(modality, 0) + len(mean)
        return widths

    def _codes(self, content: Floats) -> Floats:
        parts = [
            self._nearness(content[start : start + _BLOCK]) @ self.learned("coefficients")
            for start in range(0, len(content), _BLOCK)
        ]
        linear = content @ self.learned("slopes") + self.learned("offset")
        return np.asarray(np.concatenate([*parts, linear[:0]]) + linear, dtype=np.float32)

    def _nearness(self, content: Floats) -> Floats:
        """exp(-‖z - z_a‖²_w) (n, a) of content (n, q) to the anchors."""
        scale = np.sqrt(self.learned("nearness"))
        anchors, own = self.learned("anchors") * scale, content * scale
        lengths = np.einsum("aq,aq->a", anchors, anchors)
        distances = np.einsum("nq,nq->n", own, own)[:, None] + lengths - 2 * (own @ anchors.T)
        return np.asarray(np.exp(-np.maximum(distances, 0)), dtype=np.float32)


class ContentPopularity(ColdStartMap):
    """score(u, j) = f(z_j), the same for every user: log(1 + events) as content foretells it.

    f is the regression of `ColdStartMap`. What is chosen much is in part plain from what it is.
    """

    family = name = "content_popularity"

    def _targets(self, dataset: Dataset) -> Floats:
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        return np.log1p(counts, dtype=np.float32)[:, None]

    def _vectors(self, users: Histories) -> Floats:
        return np.ones((len(users), 1), dtype=np.float32)


def _axes(x: np.ndarray, widest: int, components: int) -> np.ndarray:
    """Axes (p, c) on which the rows (n, p) have variance 1 in all, c < p where p is too wide."""
    centred, deviation = x - x.mean(axis=0), x.std(axis=0)
    axes = np.diag(np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0))
    if x.shape[1] > widest:
        scaled = centred @ axes
        _, vectors = np.linalg.eigh(scaled.T @ scaled)
        axes = axes @ vectors[:, ::-1][:, :components]
    spread = (centred @ axes).var(axis=0).sum()
    return axes / np.sqrt(spread) if spread > 0 else axes


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
