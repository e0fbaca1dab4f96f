"""The fitted models that can be asked as if items had other tokens, and who is asked about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.datasets import SPLIT_INPUTS, split_data
from assets.recipes import RECIPES, WARM_AND_COLD, Recipe
from assets.registry import open_registry
from assets.stage import Context, Stamp, made_from
from assets.training import fitted_versions, model_table
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.data import MODALITIES, Interactions, TokenTable
from models.protocol import Maskable

if TYPE_CHECKING:
    from models.evaluation import Measure

_RANKERS = tuple(recipe for recipe in RECIPES if set(recipe.splits) & set(WARM_AND_COLD))
MASKING_INPUTS = (*(model_table(recipe.name) for recipe in _RANKERS), *SPLIT_INPUTS)
"""What `maskable_models` reads: which models can be masked is known only once they are loaded."""

INTERVAL: Mapping[str, pl.DataType] = {
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n_users": pl.Int64(),
}
"""Columns of `interval_columns`."""

_STREAM = 3
"""Draws of their own, apart from those that hold items out and deal tokens anew."""


@dataclass(frozen=True)
class MaskableModel:
    """A fitted model on one split, and what is needed to ask it with other tokens.

    Attributes:
        name: of its recipe.
        split: what it was fitted on.
        model: as it was fitted.
        tokens: of its items.
        modalities: those of the tokens that it reads, in the order of every table and picture.
        measure: NDCG@10 of each of the users that are asked about.
    """

    name: str
    split: str
    model: Maskable
    tokens: Mapping[str, TokenTable]
    modalities: tuple[str, ...]
    measure: "Measure"


def maskable_models(workspace: Workspace) -> Iterator[MaskableModel]:
    """Every fitted model that can be masked, on warm items and on cold ones."""
    from models.evaluation import user_measure

    settings = workspace.settings
    for split in WARM_AND_COLD:
        data = split_data(workspace.lake, split)
        tokens = data.dataset.tokens
        asked = drawn_users(data.test, settings.ablation_users, settings.seed)
        measure = user_measure(data.dataset, asked, candidates=data.candidates, seed=settings.seed)
        for recipe in _RANKERS:
            version = fitted_versions(workspace.lake, recipe.name).get(split)
            read = modalities_read(recipe, tokens)
            if version is None or not read:
                continue
            model = open_registry(workspace).load(version)
            if isinstance(model, Maskable):
                yield MaskableModel(recipe.name, split, model, tokens, read, measure)


def modalities_read(recipe: Recipe, tokens: Mapping[str, TokenTable]) -> tuple[str, ...]:
    """The modalities that some item has and the model looks at."""
    return tuple(name for name in MODALITIES if name in tokens and recipe.modality in (None, name))


def drawn_users(test: Interactions, most: int, seed: int) -> Interactions:
    """The events of at most so many users, drawn by the seed; all where there are no more."""
    users = np.unique(test.users)
    drawn = np.random.default_rng((seed, _STREAM)).permutation(users)[:most]
    return test.take(np.isin(test.users, drawn))


def masking_stamp(context: Context, workspace: Workspace) -> Stamp:
    """What an asset over all `maskable_models` is made from."""
    settings = workspace.settings
    return made_from(
        context,
        workspace,
        *MASKING_INPUTS,
        users=settings.ablation_users,
        samples=settings.bootstrap_samples,
        seed=settings.seed,
    )


def interval_columns(values: np.ndarray, settings: Settings) -> dict[str, Any]:
    """Means over users of values (m, n_users) with 95 % intervals, as columns of m rows."""
    from models.evaluation import bootstrap_interval

    found = bootstrap_interval(values.T, settings.bootstrap_samples, settings.seed)
    return {
        "value": found.value,
        "ci_low": found.low,
        "ci_high": found.high,
        "n_users": values.shape[1],
    }
