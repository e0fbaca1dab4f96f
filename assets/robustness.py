"""How the fitted models bear that items lose a modality."""

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
from assets.pictures import missing_curves
from assets.table_asset import Making, table_asset
from crossmodal.settings import Settings

_DRAWS = 2
"""Draws of who loses a modality: one more costs a model three times its scores per modality."""

_SCHEMA = pl.Schema(
    {
        "model": pl.String(),
        "split": pl.String(),
        "modality": pl.String(),
        "share": pl.Float64(),
        **INTERVAL,
    }
)

_CODE_VERSION = "2"
"""Raised when the same models would get other figures."""


@table_asset(
    inputs=MASKING_INPUTS,
    also_reads=MASKING_TABLES,
    choices=masking_choices("modality_robustness", _CODE_VERSION),
    pictures=("modality_robustness",),
    group="evaluation",
    kinds={"torch", "parquet"},
    code_version=_CODE_VERSION,
)
def modality_robustness(making: Making) -> dict[str, int]:
    """What is left of the best models as a growing share of the items loses a modality."""
    workspace, most_users = making.workspace, making.settings.ablation_users
    parts = [pl.DataFrame(schema=_SCHEMA)]
    parts += over_maskable_models(
        workspace, making.choices["evaluation"], "Items lose what models read", _curves
    )
    curves = pl.concat(parts)
    missing_curves(workspace.paths.pictures / "modality_robustness.png", curves)
    making.lake.write("modality_robustness", curves, making.stamp, most_users=most_users)
    return {"most_users": most_users}


def _curves(maskable: MaskableModel, settings: Settings) -> pl.DataFrame:
    return pl.concat(_curve(maskable, modality, settings) for modality in maskable.modalities)


def _curve(maskable: MaskableModel, modality: str, settings: Settings) -> pl.DataFrame:
    from models.evaluation import missing_curve

    seeds = range(settings.seed, settings.seed + _DRAWS)
    curve = missing_curve(maskable.model, maskable.tokens, modality, maskable.measure, seeds=seeds)
    return pl.DataFrame(
        {
            "model": maskable.name,
            "split": maskable.split,
            "modality": modality,
            "share": curve.shares,
            **interval_columns(curve.values, settings),
        },
        schema=_SCHEMA,
    )
