"""The fitted models that can be asked as if items had other tokens, and who is asked about."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl

from assets.assembled_splits import assembled_split
from assets.current_models import require_current
from assets.datasets import SPLIT_INPUTS, splits_in
from assets.full_evaluation import choices_outlasting
from assets.registry import open_registry
from assets.side_by_side import Answer, processes_for, side_by_side
from assets.table_asset import Choices
from assets.training import fitted_versions, model_table
from crossmodal.lake import Lake
from crossmodal.modalities import MODALITIES
from crossmodal.settings import Evaluation, Settings
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE, ModelEntry
from models.data import Interactions, TokenTable
from models.distinct import distinct
from models.protocol import Maskable
from models.splits.names import WARM_AND_COLD

if TYPE_CHECKING:
    from models.evaluation import Measure

_RANKERS = tuple(entry for entry in CATALOGUE if set(entry.splits) & set(WARM_AND_COLD))
MASKING_INPUTS = (
    "metrics",
    *(model_table(entry.name) for entry in _RANKERS),
    *SPLIT_INPUTS,
)
"""What `over_maskable_models` reads: the models, and what says which of them are best."""

MASKING_TABLES = ("metrics_per_user",)
"""What it reads in addition, and changes only together with the inputs."""

INTERVAL: Mapping[str, pl.DataType] = {
    "value": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n_users": pl.Int64(),
}
"""Columns of `interval_columns`."""

_STREAM = 3
"""Draws of their own, apart from those that hold items out and shuffle tokens."""


@dataclass(frozen=True)
class MaskableModel:
    """A fitted model on one split, and what is needed to ask it with other tokens.

    Attributes:
        name: of its entry.
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


def over_maskable_models(
    workspace: Workspace,
    evaluation: Evaluation,
    work: str,
    function: Callable[[MaskableModel, Settings], Answer],
) -> Iterator[Answer]:
    """What a function says of fitted models that can be masked, on warm items and cold ones.

    Args:
        workspace: holds the models.
        evaluation: `full` for every such model, `brief` for two of each split.
        work: what people read meanwhile.
        function: of a module's top level, since models are spread over processes.

    Raises:
        dg.Failure: a model was fitted to other splits than there are now.
    """
    require_current(workspace, _RANKERS)
    settings = workspace.settings
    jobs = [
        (settings, entry, split, fitted_versions(workspace.lake, entry.name)[split], function)
        for split in splits_in(workspace.lake, WARM_AND_COLD)
        for entry in _models_to_mask(workspace.lake, split, evaluation)
    ]
    answers = side_by_side(_answer_of, jobs, processes_for(settings, len(jobs)))
    workspace.progress(work, 0, len(jobs))
    for done, answer in enumerate(answers, start=1):
        workspace.progress(work, done, len(jobs))
        if answer is not None:
            yield answer


def _models_to_mask(lake: Lake, split: str, evaluation: Evaluation) -> tuple[ModelEntry, ...]:
    """The models of a split to look at, in the order of the catalogue."""
    fitted = [entry for entry in _RANKERS if split in fitted_versions(lake, entry.name)]
    # Only of fitted ones, as the classes of others take seconds to import.
    maskable = [entry for entry in fitted if hasattr(entry.model_class(), "masked")]
    if evaluation == "full":
        return tuple(maskable)
    chosen = _best_two(maskable, _validation_quality(lake, split))
    return tuple(entry for entry in maskable if entry.name in chosen)


def _validation_quality(lake: Lake, split: str) -> dict[str, float]:
    """Mean NDCG@10 of each model on the validation events of a split."""
    on_validation = (pl.col("split") == split) & (pl.col("part") == "validation")
    means = lake.scan("metrics_per_user").filter(on_validation).group_by("model")
    return dict(means.agg(pl.col("ndcg_10").mean()).collect().iter_rows())


def _best_two(entries: Sequence[ModelEntry], quality: Mapping[str, float]) -> set[str]:
    """Names of the best model, and of the best of the others that train weights."""
    ranked = sorted(
        (entry for entry in entries if entry.name in quality),
        key=lambda entry: quality[entry.name],
        reverse=True,
    )
    networks = [entry for entry in ranked[1:] if entry.learns]
    return {entry.name for entry in (*ranked[:1], *networks[:1])}


def _answer_of(
    settings: Settings,
    entry: ModelEntry,
    split: str,
    version: str,
    function: Callable[[MaskableModel, Settings], Answer],
) -> Answer | None:
    """The function's answer for one model; None if the model reads no modality."""
    from models.evaluation import user_measure

    workspace = Workspace(settings)
    model = cast(Maskable, open_registry(workspace).load(version))
    data = assembled_split(workspace, split)
    tokens = data.dataset.tokens
    read = modalities_read(entry, tokens)
    if not read:
        return None
    drawn = drawn_users(data.test, settings.ablation_users, settings.seed)
    measure = user_measure(data.dataset, drawn, candidates=data.candidates, seed=settings.seed)
    return function(MaskableModel(entry.name, split, model, tokens, read, measure), settings)


def modalities_read(entry: ModelEntry, tokens: Mapping[str, TokenTable]) -> tuple[str, ...]:
    """The modalities that some item has and the model looks at."""
    return tuple(name for name in MODALITIES if name in tokens and name in entry.reads)


def drawn_users(test: Interactions, most: int, seed: int) -> Interactions:
    """The events of at most so many users, drawn by the seed; all where there are no more."""
    users = distinct(test.users)
    drawn = np.random.default_rng((seed, _STREAM)).permutation(users)[:most]
    return test.take(np.isin(test.users, drawn))


def masking_choices(table: str, code: str) -> Callable[[Workspace], Choices]:
    """The settings that change a table over all maskable models.

    Args:
        table: its name in the lake.
        code: the code version of its asset.
    """

    def choices(workspace: Workspace) -> Choices:
        settings = workspace.settings

        def of(evaluation: Evaluation) -> Choices:
            return {
                "evaluation": evaluation,
                "users": settings.ablation_users,
                "samples": settings.bootstrap_samples,
                "seed": settings.seed,
            }

        return choices_outlasting(
            workspace.lake, table, code, MASKING_INPUTS, of, settings.evaluation
        )

    return choices


def interval_columns(values: np.ndarray, settings: Settings) -> dict[str, Any]:
    """Means over users of values (m, n_users) with 95 % intervals, as columns of m rows."""
    from models.evaluation import bootstrap_interval

    intervals = bootstrap_interval(values.T, settings.bootstrap_samples, settings.seed)
    return {
        "value": intervals.value,
        "ci_low": intervals.low,
        "ci_high": intervals.high,
        "n_users": values.shape[1],
    }
