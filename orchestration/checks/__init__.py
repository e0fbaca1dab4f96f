"""What must hold of a table. A blocking check stops what would be built upon it."""

from collections.abc import Callable, Iterator

import dagster as dg

from assets.champion_rows import RIVALS
from assets.prequential import PREQUENTIAL
from crossmodal.modalities import MODALITIES, TOWERS
from crossmodal.workspace import Workspace
from orchestration.check_memory import remembered
from orchestration.checks.finding import Finding
from orchestration.checks.of_content import (
    alive,
    broken_share,
    placeholders,
    tells_items_apart,
    unit_norm,
)
from orchestration.checks.of_drift import drift_checks
from orchestration.checks.of_models import (
    champion_not_beaten,
    champion_not_below_popularity,
    next_events_not_below_popularity,
    recommended_items_exist,
    refit_is_sound,
)
from orchestration.checks.of_sources import (
    known_items,
    reject_share,
    schema,
    times_not_in_future,
)
from orchestration.checks.of_splits import enough_to_judge, no_future_training, train_before_test
from orchestration.checks.of_stores import features_agree, lists_agree, online_file
from orchestration.checks.of_watching import watching_checks


def _check(
    asset: str,
    name: str,
    description: str,
    test: Callable[[Workspace], Finding],
    further: tuple[str, ...] = (),
    blocking: bool = True,
    state: Callable[[Workspace], str] = lambda workspace: "",
) -> dg.AssetChecksDefinition:
    """A check of an asset.

    Args:
        asset: that it is of.
        name: of the check.
        description: for the web UI.
        test: finds out.
        further: the other tables that it reads.
        blocking: whether nothing is built upon what fails it.
        state: what it reads that is no table: a setting, or the state of a file.
    """

    @dg.asset_check(asset=asset, name=name, description=description, blocking=blocking)
    def check(workspace: dg.ResourceParam[Workspace]) -> Finding:
        return remembered(workspace, asset, name, test, further, state(workspace))

    return check


def _embedding_checks() -> Iterator[dg.AssetChecksDefinition]:
    for modality in MODALITIES:
        table = f"{modality}_embeddings"
        yield _check(table, "schema", "Contract.", schema(table, "embeddings"))
        yield _check(table, "unit_norm", "Vectors have length 1.", unit_norm(modality))
        yield _check(table, "alive", "Vectors differ from each other.", alive(modality))
    for tower in TOWERS:
        yield _check(
            f"{tower}_alignment",
            "tells_items_apart",
            "Not every item has the same vector.",
            tells_items_apart(tower),
            blocking=False,
        )


asset_checks: list[dg.AssetChecksDefinition] = [
    _check(
        "rejects",
        "reject_share",
        "Few rows of the source are unusable.",
        reject_share,
        state=lambda workspace: str(workspace.settings.max_reject_share),
    ),
    _check("items", "schema", "Contract.", schema("items", "items")),
    _check("interactions", "schema", "Contract.", schema("interactions", "interactions")),
    _check("interactions", "known_items", "Events are about known items.", known_items, ("items",)),
    _check("interactions", "not_in_future", "No event is in the future.", times_not_in_future),
    _check("media", "schema", "Contract.", schema("media", "media")),
    _check(
        "media",
        "broken_share",
        "Few files are broken.",
        broken_share,
        state=lambda workspace: str(workspace.settings.max_broken_share),
    ),
    _check(
        "media",
        "placeholders",
        "No file stands for many items.",
        placeholders,
        blocking=False,
        state=lambda workspace: str(workspace.settings.max_repeated_share),
    ),
    *_embedding_checks(),
    _check(
        "splits",
        "enough_to_judge",
        "Models can be fitted and judged.",
        enough_to_judge,
        blocking=False,
    ),
    _check("splits", "no_future_training", "Training precedes the test.", no_future_training),
    _check("splits", "train_before_test", "One cut in time is clean.", train_before_test),
    _check(
        "online_features",
        "online_equals_offline",
        "Both stores agree.",
        features_agree,
        state=online_file,
    ),
    _check(
        "online_recommendations",
        "online_equals_offline",
        "Both stores agree.",
        lists_agree,
        state=online_file,
    ),
    _check(
        "champion",
        "not_below_popularity",
        "The champion is no worse than the popular list.",
        champion_not_below_popularity,
    ),
    _check(
        "champion",
        "not_beaten",
        "No model of the run is better than the champion on the test events.",
        champion_not_beaten,
        (RIVALS,),
        blocking=False,
    ),
    _check(
        PREQUENTIAL,
        "not_below_popularity",
        "The version that answers ranks the next events no worse than the popular list.",
        next_events_not_below_popularity,
        blocking=False,
    ),
    _check(
        "serving_model",
        "refit_is_sound",
        "The version that was fitted to all events answers.",
        refit_is_sound,
        blocking=False,
    ),
    _check("recommendations", "schema", "Contract.", schema("recommendations", "recommendations")),
    _check(
        "recommendations",
        "known_items",
        "Recommended items are in the catalogue.",
        recommended_items_exist,
        ("items",),
    ),
    *drift_checks(),
    *watching_checks(),
]
