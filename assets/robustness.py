"""How the fitted models bear that items lose a modality."""

import dagster as dg
import polars as pl

from assets.masking import (
    INTERVAL,
    MASKING_INPUTS,
    MaskableModel,
    interval_columns,
    masking_stamp,
    over_maskable_models,
)
from assets.pictures import missing_curves
from assets.stage import OWNERS, Context, materialize_table
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

_DRAWS = 2
"""Draws of who loses a modality: one more costs a model three times its scores a modality."""

_SCHEMA = pl.Schema(
    {
        "model": pl.String(),
        "split": pl.String(),
        "modality": pl.String(),
        "share": pl.Float64(),
        **INTERVAL,
    }
)


@dg.asset(
    deps=list(MASKING_INPUTS),
    group_name="evaluation",
    owners=OWNERS,
    kinds={"torch", "parquet"},
    code_version="2",
)
def modality_robustness(
    context: Context, workspace: dg.ResourceParam[Workspace]
) -> dg.MaterializeResult:
    """What is left of every fitted model as a growing share of the items loses a modality."""
    lake, settings = workspace.lake, workspace.settings
    stamp = masking_stamp(context, workspace)

    def make() -> dict[str, int]:
        found = [pl.DataFrame(schema=_SCHEMA)]
        found += over_maskable_models(workspace, "Items lose what models read", _curves)
        curves = pl.concat(found)
        missing_curves(workspace.paths.pictures / "modality_robustness.png", curves)
        lake.write("modality_robustness", curves, stamp, most_users=settings.ablation_users)
        return {"most_users": settings.ablation_users}

    return materialize_table(
        context, workspace, "modality_robustness", stamp, make, pictures=("modality_robustness",)
    )


def _curves(one: MaskableModel, settings: Settings) -> pl.DataFrame:
    return pl.concat(_curve(one, modality, settings) for modality in one.modalities)


def _curve(one: MaskableModel, modality: str, settings: Settings) -> pl.DataFrame:
    from models.evaluation import missing_curve

    seeds = range(settings.seed, settings.seed + _DRAWS)
    found = missing_curve(one.model, one.tokens, modality, one.measure, seeds=seeds)
    return pl.DataFrame(
        {
            "model": one.name,
            "split": one.split,
            "modality": modality,
            "share": found.shares,
            **interval_columns(found.values, settings),
        },
        schema=_SCHEMA,
    )
