"""Which models are fitted, on which splits, and with what settings.

Torch takes seconds to import, so that a model is imported when it is built: a run that keeps every
model does without.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from assets.datasets import COLD_ITEM, GLOBAL_TEMPORAL, RANDOM, USER_TEMPORAL
from crossmodal.settings import Settings
from models.data import MODALITIES, TIME_DEPENDENT

if TYPE_CHECKING:
    from models.protocol import Trainable
    from models.training import Epoch

RANKED_SPLITS = (USER_TEMPORAL, GLOBAL_TEMPORAL, COLD_ITEM)
"""Splits whose test is a ranking, in the order of every table and picture."""

WARM_AND_COLD = (USER_TEMPORAL, COLD_ITEM)
"""Known users' next choices, and items that nobody has chosen: what most models are fitted on."""

_LASTING = tuple(name for name in MODALITIES if name not in TIME_DEPENDENT)
"""What an item can have before anyone has touched it."""

_NETWORKS = 3
"""Of the hybrid's retrievers; more processes than that have nothing long to fit."""

Choices = Mapping[str, Any]
OnEpoch = Callable[["Epoch"], None]


@dataclass(frozen=True)
class Recipe:
    """A model that is fitted as an asset.

    Attributes:
        name: in the asset graph and in every table.
        description: for the asset graph.
        splits: it is fitted once on the training part of each.
        choose: what the platform's settings say about it, best settings left aside.
        build: an unfitted model of those choices; it computes on the named device and tells of
            every epoch.
        code_version: raised when the same choices would give another model.
        modality: the one modality without which there is no such model; None where it needs none.
        reads: modalities that it looks at where some item has them.
        learns: whether it trains weights; a baseline only counts.
        control: a floor that the others are held against: it is judged and never answers.
        optional: whether it is fitted only where CROSSMODAL_EXTRA_MODELS names it.
    """

    name: str
    description: str
    splits: tuple[str, ...]
    choose: Callable[[Settings], Choices]
    build: Callable[[Choices, str, OnEpoch], "Trainable"]
    code_version: str = "1"
    modality: str | None = None
    reads: tuple[str, ...] = MODALITIES
    learns: bool = False
    control: bool = False
    optional: bool = False

    @property
    def candidate(self) -> bool:
        """Whether it may become champion, which is chosen on user-temporal."""
        return USER_TEMPORAL in self.splits and not self.control

    def choices(self, settings: Settings) -> Choices:
        """What it is built from: `choose`, and the best settings that CROSSMODAL_TUNED names.

        A change fits it again.

        Raises:
            BestSettingsError: there is no such file of best settings.
        """
        return {**self.choose(settings), **_tuned(self.name, settings)}


def _tuned(name: str, settings: Settings) -> Choices:
    if settings.tuned == "none":
        return {}
    from models.search import read_best

    found = read_best(settings.tuned)
    return found[name].settings if name in found else {}


def _choose_mmnn(operator: str, settings: Settings) -> Choices:
    return {
        "operator": operator,
        "epochs": settings.training_epochs,
        "seed": settings.seed,
    }


def _build_mmnn(choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    from models.encoders.device import choose_device
    from models.mmnn import MMNN, MMNNConfig

    return MMNN(MMNNConfig(**choices), str(choose_device(device)), on_epoch)


def _choose_matrix_factorisation(settings: Settings) -> Choices:
    return {"form": settings.matrix_factorisation, "seed": settings.seed}


def _build_matrix_factorisation(choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    from models.matrix_factorisation import MatrixFactorisation, MatrixFactorisationConfig

    return MatrixFactorisation(MatrixFactorisationConfig(**choices), on_epoch)


def _choose_seed(settings: Settings) -> Choices:
    return {"seed": settings.seed}


def _build_popularity(choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    from models.baselines import Popularity

    return Popularity(**choices)


def _build_random(choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    from models.baselines import RandomRanking

    return RandomRanking(**choices)


def _build_baseline(name: str, choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    """A baseline with its own defaults; `name` is that of its class."""
    from models import baselines

    model: Trainable = getattr(baselines, name)(getattr(baselines, f"{name}Config")(**choices))
    return model


def _build_transformer(choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    from models.encoders.device import choose_device
    from models.transformer import Transformer, TransformerConfig

    return Transformer(TransformerConfig(**choices), str(choose_device(device)), on_epoch)


def _build_gat(choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    from models.encoders.device import choose_device
    from models.gat import GAT, GATConfig

    return GAT(GATConfig(**choices), str(choose_device(device)), on_epoch)


def _choose_hmdf(settings: Settings) -> Choices:
    return {"networks": settings.hybrid_networks, "seed": settings.seed}


def _build_hmdf(choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    from joblib import cpu_count

    from models.hmdf import HMDF, HMDFConfig

    processes = min(_NETWORKS, cpu_count())
    return HMDF(HMDFConfig(**choices), on_epoch=on_epoch, processes=processes)


def _choose_content(modality: str, settings: Settings) -> Choices:
    return {"modality": modality, "seed": settings.seed}


def _build_content(choices: Choices, device: str, on_epoch: OnEpoch) -> "Trainable":
    from models.baselines import Content, ContentConfig

    return Content(ContentConfig(**choices))


RECIPES = (
    Recipe(
        "random",
        "Chance: the floor of every metric.",
        RANKED_SPLITS,
        _choose_seed,
        _build_random,
        control=True,
    ),
    Recipe(
        "popularity",
        "The same list for everyone: what most training events were about.",
        RANKED_SPLITS,
        _choose_seed,
        _build_popularity,
    ),
    Recipe(
        "recent_popularity",
        "The same list for everyone: what was chosen of late.",
        RANKED_SPLITS,
        _choose_seed,
        partial(_build_baseline, "RecentPopularity"),
    ),
    Recipe(
        "item_knn",
        "Nearest items by who chose both.",
        RANKED_SPLITS,
        _choose_seed,
        partial(_build_baseline, "ItemKNN"),
        code_version="2",
    ),
    Recipe(
        "ease",
        "Linear item-to-item model in closed form, over what a user did last.",
        RANKED_SPLITS,
        _choose_seed,
        partial(_build_baseline, "EASE"),
        code_version="5",
    ),
    Recipe(
        "transition",
        "What followed what along users' histories.",
        RANKED_SPLITS,
        _choose_seed,
        partial(_build_baseline, "Transition"),
        code_version="2",
    ),
    Recipe(
        "als",
        "Matrix factorisation of who chose what, by alternating least squares.",
        RANKED_SPLITS,
        _choose_seed,
        partial(_build_baseline, "ALS"),
        code_version="3",
    ),
    Recipe(
        "cold_start_map",
        "From an item's content to the taste of its choosers, by kernel ridge regression.",
        WARM_AND_COLD,
        _choose_seed,
        partial(_build_baseline, "ColdStartMap"),
        code_version="7",
        reads=_LASTING,
    ),
    *(
        Recipe(
            f"content_{modality}",
            f"Nearest items by {modality} alone, with nothing learned.",
            WARM_AND_COLD,
            partial(_choose_content, modality),
            _build_content,
            code_version="4",
            modality=modality,
            reads=(modality,),
        )
        for modality in MODALITIES
    ),
    Recipe(
        "matrix_factorisation",
        "User and item embeddings, fitted to ratings by squared error.",
        (RANDOM,),
        _choose_matrix_factorisation,
        _build_matrix_factorisation,
        learns=True,
    ),
    Recipe(
        "mmnn",
        "Multimodal network: an item's tokens concatenated, a user by what they did last.",
        RANKED_SPLITS,
        partial(_choose_mmnn, "concatenation"),
        _build_mmnn,
        code_version="10",
        learns=True,
    ),
    Recipe(
        "mmnn_gated_attention",
        "Multimodal network with the tokens of an item fused by gated attention.",
        WARM_AND_COLD,
        partial(_choose_mmnn, "gated_attention"),
        _build_mmnn,
        code_version="10",
        learns=True,
    ),
    Recipe(
        "transformer",
        "Encoder of item tokens, causal decoder over histories, candidates that look back.",
        RANKED_SPLITS,
        _choose_seed,
        _build_transformer,
        code_version="5",
        learns=True,
        optional=True,
    ),
    Recipe(
        "gat",
        "Graph attention over users, items and each modality's nearest items.",
        RANKED_SPLITS,
        _choose_seed,
        _build_gat,
        code_version="5",
        learns=True,
        optional=True,
    ),
    Recipe(
        "hmdf",
        "Hybrid: what past items, content and counts say of an item, weighed by LambdaRank.",
        (USER_TEMPORAL, GLOBAL_TEMPORAL),
        _choose_hmdf,
        _build_hmdf,
        code_version="13",
        reads=_LASTING,
        learns=True,
    ),
)
