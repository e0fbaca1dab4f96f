"""The assets of the pipeline, stage by stage."""

from collections.abc import Sequence

import dagster as dg

import assets.ablation
import assets.alignment
import assets.champion
import assets.click_through
import assets.drift
import assets.embeddings
import assets.encoding
import assets.evaluation
import assets.features
import assets.impressions
import assets.ingestion
import assets.leaderboard
import assets.media
import assets.prequential
import assets.recommendations
import assets.reported_events
import assets.reported_items
import assets.retention
import assets.robustness
import assets.search
import assets.sensitivity
import assets.serving_model
import assets.source_state
import assets.splits
import assets.text_encoding
import assets.training

_STAGES = [
    assets.reported_events,
    assets.click_through,
    assets.reported_items,
    assets.source_state,
    assets.ingestion,
    assets.media,
    assets.text_encoding,
    assets.encoding,
    assets.alignment,
    assets.embeddings,
    assets.features,
    assets.splits,
    assets.impressions,
    assets.training,
    assets.search,
    assets.evaluation,
    assets.leaderboard,
    assets.ablation,
    assets.robustness,
    assets.sensitivity,
    assets.champion,
    assets.prequential,
    assets.drift,
    assets.serving_model,
    assets.recommendations,
    assets.retention,
]


def pipeline_assets() -> Sequence[dg.AssetsDefinition]:
    """Every asset that the platform declares, in the order of the stages."""
    loaded = dg.load_assets_from_modules(_STAGES)
    return [asset for asset in loaded if isinstance(asset, dg.AssetsDefinition)]
