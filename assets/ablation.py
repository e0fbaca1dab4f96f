"""What each modality is worth to fitted models: hidden, alone, and shuffled."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.masking import (
    INTERVAL,
    MASKING_INPUTS,
    MASKING_TABLES,
    MaskableModel,
    interval_columns,
    masking_choices,
    over_maskable_models,
)
from assets.pictures import modality_worth
from assets.table_asset import Making, table_asset
from crossmodal.settings import Settings

if TYPE_CHECKING:
    from models.evaluation import SubsetValues

_SUBSETS = pl.Schema(
    {
        "model": pl.String(),
        "split": pl.String(),
        "modalities": pl.List(pl.String),
        **INTERVAL,
    }
)
_WORTH = pl.Schema(
    {
        "model": pl.String(),
        "split": pl.String(),
        "modality": pl.String(),
        "measure": pl.String(),
        **INTERVAL,
    }
)


@table_asset(
    table="modality_worth",
    inputs=MASKING_INPUTS,
    also_reads=MASKING_TABLES,
    also_writes=["modality_subsets"],
    choices=masking_choices,
    pictures=("modality_worth",),
    intact=lambda workspace: workspace.lake.exists("modality_subsets"),
    group="evaluation",
    kinds={"torch", "parquet"},
    code_version="2",
)
def modality_ablation(making: Making) -> dict[str, int]:
    """What each modality is worth to the best models, with every subset of them, none refitted."""
    workspace, most_users = making.workspace, making.settings.ablation_users
    subsets, worth = [pl.DataFrame(schema=_SUBSETS)], [pl.DataFrame(schema=_WORTH)]
    for own_subsets, own_worth in over_maskable_models(workspace, "Hiding modalities", _ablated):
        subsets.append(own_subsets)
        worth.append(own_worth)
    figures = pl.concat(worth)
    modality_worth(workspace.paths.pictures / "modality_worth.png", figures)
    making.lake.write("modality_subsets", pl.concat(subsets), making.stamp)
    making.lake.write("modality_worth", figures, making.stamp, most_users=most_users)
    return {"most_users": most_users}


def _ablated(one: MaskableModel, settings: Settings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of one model in the table of subsets and in that of worth."""
    from models.evaluation import subset_values

    found = subset_values(one.model, one.tokens, one.modalities, one.measure)
    return _subset_rows(one, found, settings), _worth_rows(one, found, settings)


def _subset_rows(one: MaskableModel, found: "SubsetValues", settings: Settings) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "model": one.name,
            "split": one.split,
            "modalities": [list(kept) for kept in found.subsets()],
            **interval_columns(found.values, settings),
        },
        schema=_SUBSETS,
    )


def _worth_rows(one: MaskableModel, found: "SubsetValues", settings: Settings) -> pl.DataFrame:
    """Four figures a modality; differences are taken user by user before they are resampled."""
    from models.evaluation import shapley_values

    everything = found.of(*one.modalities)
    measures = {
        "shapley": shapley_values(found),
        "left_out": [everything - _without(found, name) for name in one.modalities],
        "alone": [found.of(name) for name in one.modalities],
        "permuted": [everything - _permuted(one, name, settings.seed) for name in one.modalities],
    }
    values = np.concatenate([*measures.values()])
    return pl.DataFrame(
        {
            "model": one.name,
            "split": one.split,
            "modality": list(one.modalities) * len(measures),
            "measure": np.repeat([*measures], len(one.modalities)).tolist(),
            **interval_columns(values, settings),
        },
        schema=_WORTH,
    )


def _without(found: "SubsetValues", hidden: str) -> np.ndarray:
    return found.of(*(name for name in found.modalities if name != hidden))


def _permuted(one: MaskableModel, modality: str, seed: int) -> np.ndarray:
    """With that modality's tokens shuffled among the items that have it."""
    from models.evaluation import permuted

    dealt = permuted(one.tokens[modality], seed)
    return one.measure(one.model.masked({**one.tokens, modality: dealt}))
