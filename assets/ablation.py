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

_CODE_VERSION = "2"
"""Raised when the same models would get other figures."""


@table_asset(
    table="modality_worth",
    inputs=MASKING_INPUTS,
    also_reads=MASKING_TABLES,
    also_writes=["modality_subsets"],
    choices=masking_choices("modality_worth", _CODE_VERSION),
    pictures=("modality_worth",),
    group="evaluation",
    kinds={"torch", "parquet"},
    code_version=_CODE_VERSION,
)
def modality_ablation(making: Making) -> dict[str, int]:
    """What each modality is worth to the best models, with every subset of them, none refitted."""
    workspace, most_users = making.workspace, making.settings.ablation_users
    subsets, worth = [pl.DataFrame(schema=_SUBSETS)], [pl.DataFrame(schema=_WORTH)]
    for own_subsets, own_worth in over_maskable_models(
        workspace, making.choices["evaluation"], "Hiding modalities", _ablated
    ):
        subsets.append(own_subsets)
        worth.append(own_worth)
    figures = pl.concat(worth)
    modality_worth(workspace.paths.pictures / "modality_worth.png", figures)
    making.lake.write("modality_subsets", pl.concat(subsets), making.stamp)
    making.lake.write("modality_worth", figures, making.stamp, most_users=most_users)
    return {"most_users": most_users}


def _ablated(maskable: MaskableModel, settings: Settings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of one model in the table of subsets and in that of worth."""
    from models.evaluation import subset_values

    by_subset = subset_values(
        maskable.model, maskable.tokens, maskable.modalities, maskable.measure
    )
    return _subset_rows(maskable, by_subset, settings), _worth_rows(maskable, by_subset, settings)


def _subset_rows(
    maskable: MaskableModel, by_subset: "SubsetValues", settings: Settings
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "model": maskable.name,
            "split": maskable.split,
            "modalities": [list(subset) for subset in by_subset.subsets()],
            **interval_columns(by_subset.values, settings),
        },
        schema=_SUBSETS,
    )


def _worth_rows(
    maskable: MaskableModel, by_subset: "SubsetValues", settings: Settings
) -> pl.DataFrame:
    """Four figures per modality; differences are taken per user before users are resampled."""
    from models.evaluation import shapley_values

    everything = by_subset.of(*maskable.modalities)
    measures = {
        "shapley": shapley_values(by_subset),
        "left_out": [everything - _without(by_subset, name) for name in maskable.modalities],
        "alone": [by_subset.of(name) for name in maskable.modalities],
        "permuted": [
            everything - _permuted(maskable, name, settings.seed) for name in maskable.modalities
        ],
    }
    values = np.concatenate([*measures.values()])
    return pl.DataFrame(
        {
            "model": maskable.name,
            "split": maskable.split,
            "modality": list(maskable.modalities) * len(measures),
            "measure": np.repeat([*measures], len(maskable.modalities)).tolist(),
            **interval_columns(values, settings),
        },
        schema=_WORTH,
    )


def _without(by_subset: "SubsetValues", hidden: str) -> np.ndarray:
    return by_subset.of(*(name for name in by_subset.modalities if name != hidden))


def _permuted(maskable: MaskableModel, modality: str, seed: int) -> np.ndarray:
    """With that modality's tokens shuffled among the items that have it."""
    from models.evaluation import permuted

    dealt = permuted(maskable.tokens[modality], seed)
    return maskable.measure(maskable.model.masked({**maskable.tokens, modality: dealt}))
