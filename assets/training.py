"""From splits to fitted models: the training frame, item tokens, one asset a model."""

import logging
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from assets.datasets import (
    SPLIT_INPUTS,
    SPLIT_TABLES,
    newest_known,
    splits_in,
    warm_split,
)
from assets.engines import engine_of
from assets.features import newest_event
from assets.full_evaluation import choices_outlasting, splits_judged
from assets.impressions import (
    IMPRESSIONS,
    choices_of_impressions,
    impressions_read,
    learned_from,
)
from assets.item_vectors import VECTOR_TABLES, encoders_of
from assets.judging import UNJUDGED, why_not_judged
from assets.pictures import training_curves
from assets.recipes import choices_of, wanted
from assets.registry import (
    data_versions,
    has_version,
    open_registry,
)
from assets.stage import Stamp
from assets.table_asset import Making, table_asset
from crossmodal.lake import Lake
from crossmodal.modalities import LASTING
from crossmodal.settings import Evaluation, without_secrets
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE, Choices, ModelEntry
from models.distinct import distinct
from models.splits.names import USER_RANDOM

if TYPE_CHECKING:
    from models.data import Dataset
    from models.parallel import Executor
    from models.protocol import Recommender
    from models.training import Epoch

_MODEL_SCHEMA = pl.Schema(
    {
        "split": pl.String(),
        "version": pl.String(),
        "best_epoch": pl.Int64(),
        "train_losses": pl.List(pl.Float64),
        "validation_losses": pl.List(pl.Float64),
    }
)
_log = logging.getLogger(__name__)
_WORTH_USERS = 20
"""Users whose candidates say what a feature is worth: exact SHAP takes a second for each."""
_WORTH_FEATURES = 20


@table_asset(
    inputs=["splits", "feature_registry", "item_statistics", "user_statistics"],
    group="training",
    kinds={"feast", "duckdb"},
    code_version="2",
)
def training_frame(making: Making) -> None:
    """Every event and what Feast knew of its user and item strictly before it."""
    from feature_repo.store import historical_batches

    columns = ("user_id", "item_id", "value", "event_timestamp")
    splits = making.lake.path("splits")
    with historical_batches(making.workspace.paths, splits, columns, "ranking") as batches:
        making.lake.write_batches("training_frame", batches, making.stamp)


_EMBEDDINGS = tuple(f"{modality}_embeddings" for modality in LASTING)


@table_asset(
    inputs=["items", "interactions", "feature_registry", *_EMBEDDINGS],
    group="training",
    kinds={"feast", "duckdb"},
    code_version="1",
)
def item_tokens(making: Making) -> None:
    """The towers' features of every item, read from Feast: null where an item lacks a modality."""
    from feature_repo.store import historical

    lake = making.lake
    keys = lake.scan("items").select("item_id").collect()
    listed = lake.scan("items").select(pl.col("created_at").max()).collect().item()
    now = max(newest_event(lake), listed)
    entity_rows = keys.with_columns(event_timestamp=pl.lit(now).dt.offset_by("1s"))
    references = [f"item_{name}_features:{name}_features" for name in LASTING]
    tokens = historical(making.workspace.paths, entity_rows, references)
    renamed = {f"item_{name}_features__{name}_features": name for name in LASTING}
    lake.write("item_tokens", tokens.rename(renamed), making.stamp)


def model_table(name: str) -> str:
    """The asset and lake table of a model: which versions it was fitted to."""
    return f"model_{name}"


MODEL_TABLES = tuple(model_table(entry.name) for entry in CATALOGUE)
"""The tables of all models."""


def fitted_versions(lake: Lake, name: str) -> dict[str, str]:
    """The version of a model by split; empty where it was not fitted."""
    if not lake.exists(model_table(name)):
        return {}
    return dict(lake.read(model_table(name)).select("split", "version").iter_rows())


def fit_seconds(lake: Lake, name: str) -> dict[str, float]:
    """How long a model took to fit, by split; empty where it was not fitted."""
    if not lake.exists(model_table(name)):
        return {}
    return dict(lake.version(model_table(name)).summary.get("fit_s", {}))


def _model_asset(entry: ModelEntry) -> dg.AssetsDefinition:
    table = model_table(entry.name)

    def choices(workspace: Workspace) -> Choices:
        recipe, left_out = choices_of(entry, workspace.settings), _why_left_out(entry, workspace)
        shown = choices_of_impressions(entry, workspace)

        def of(evaluation: Evaluation) -> Choices:
            splits = splits_judged(entry, evaluation)
            return {"choices": recipe, "wanted": not left_out, "splits": splits, **shown}

        lake, asked = workspace.lake, workspace.settings.evaluation
        return choices_outlasting(lake, table, entry.code_version, SPLIT_INPUTS, of, asked)

    def intact(workspace: Workspace) -> bool:
        versions = fitted_versions(workspace.lake, entry.name).values()
        return all(has_version(workspace, version) for version in versions)

    @table_asset(
        name=table,
        inputs=SPLIT_INPUTS,
        # Part of what it is made from only where the settings say so: a choice.
        after=[IMPRESSIONS] if entry.impressions else [],
        # What says which encoders made the tokens.
        also_reads=[*SPLIT_TABLES, *VECTOR_TABLES],
        choices=choices,
        pictures=(_curves_picture(entry.name),),
        intact=intact,
        description=entry.description,
        group="training",
        kinds={"torch", "safetensors"} if entry.learns else {"numpy", "safetensors"},
        code_version=entry.code_version,
    )
    def model(making: Making) -> dict[str, Any]:
        left_out = _why_left_out(entry, making.workspace)
        if left_out:
            making.context.log.info(f"{table}: not fitted, since {left_out}.")
        fits = [] if left_out else list(_fits(making, entry))
        rows = [fit.row for fit in fits]
        _draw_curves(making.workspace, entry.name, rows)
        # Next to the rows, not among them: what was fitted again and came out the same must
        # leave everything downstream current.
        seconds = {fit.row["split"]: round(fit.seconds, 3) for fit in fits}
        frame = pl.DataFrame(rows, schema=_MODEL_SCHEMA)
        worth = [row for fit in fits for row in fit.features]
        making.lake.write(table, frame, making.stamp, fit_s=seconds, features=worth)
        return {"fitted": len(rows)}

    return model


def _why_left_out(entry: ModelEntry, workspace: Workspace) -> str:
    """Why a model is not fitted, a clause; empty where it is."""
    if not wanted(entry, workspace.settings):
        return f"CROSSMODAL_EXTRA_MODELS does not name {entry.name}"
    fault = why_not_judged(workspace.lake)
    if fault and entry.name != UNJUDGED:
        return f"no model can be judged ({fault})"
    if entry.ordered and warm_split(workspace.lake) == USER_RANDOM:
        return "it learns from what came after what, and the events have no times"
    return ""


@dataclass(frozen=True)
class _NotFitted:
    """Why there is no model, a sentence."""

    reason: str


@dataclass(frozen=True)
class _Fit:
    """A model's row in its table, how long the fit alone took, and what its features are worth."""

    row: dict[str, Any]
    seconds: float
    features: list[dict[str, Any]]


def _fits(making: Making, entry: ModelEntry) -> Iterator[_Fit]:
    """Fits a model on each of its splits; those on which there is none to fit are left out."""
    workspace, lake = making.workspace, making.lake
    wanted = making.choices["splits"]
    splits = (warm_split(lake),) if why_not_judged(lake) else splits_in(lake, wanted)
    fits = (_trained if entry.learns else _counted)(making, entry, splits)
    workspace.progress(f"Fitting {entry.name}", 0, len(splits))
    for done, (split, fit) in enumerate(zip(splits, fits, strict=True), start=1):
        workspace.progress(f"Fitting {entry.name}", done, len(splits))
        if isinstance(fit, _NotFitted):
            making.context.log.warning(f"{entry.name} is not fitted on {split}. {fit.reason}")
        else:
            yield fit


def _trained(
    making: Making, entry: ModelEntry, splits: Sequence[str]
) -> Iterator[_Fit | _NotFitted]:
    """Networks train on one thread, and in Python's time, so that each split has a process."""
    engine, settings = engine_of(making.settings), making.settings
    # Epochs are shown where they happen in this process; from others only whole fits are.
    here = engine.works_here(len(splits))
    seen = making.workspace if here else Workspace(without_secrets(settings))
    common = (seen, entry, choices_of(entry, settings), making.stamp, engine.executor())
    return engine.fit(_fit, common, _named(entry, splits))


def _counted(
    making: Making, entry: ModelEntry, splits: Sequence[str]
) -> Iterator[_Fit | _NotFitted]:
    """What only counts or solves takes seconds, in code that lets other threads run."""
    from models.parallel import ONE_PROCESS
    from models.threads import threads

    common = (making.workspace, entry, choices_of(entry, making.settings), making.stamp, None)
    with threads() as pool:
        yield from ONE_PROCESS.map(_fit, common, _named(entry, splits), pool)


def _named(entry: ModelEntry, splits: Sequence[str]) -> dict[str, tuple[str]]:
    return {f"the fit of {entry.name} on {split}": (split,) for split in splits}


def _fit(
    workspace: Workspace,
    entry: ModelEntry,
    recipe: Choices,
    stamp: Stamp,
    executor: "Executor | None",
    split: str,
) -> _Fit | _NotFitted:
    """Fits one model on one split and keeps it as a version, where there is one to fit.

    Two processes that do so at once, as where a lost one comes back, keep one version.
    """
    from models.protocol import NothingToLearnError

    data = learned_from(entry, workspace, split)
    if entry.modality is not None and entry.modality not in data.tokens:
        return _NotFitted(f"No item has the modality {entry.modality}.")
    on_epoch = partial(_show, workspace, f"Fitting {entry.name} on {split}")
    model = entry.build(recipe, workspace.settings.device, on_epoch, executor)
    started = time.perf_counter()
    try:
        model.fit(data)
    except NothingToLearnError as error:
        return _NotFitted(str(error))
    seconds = time.perf_counter() - started
    version = open_registry(workspace).add(
        f"{entry.name}-{split}",
        model,
        metrics=[],
        data_versions=data_versions(
            workspace.lake, (*SPLIT_INPUTS, *impressions_read(entry, workspace))
        ),
        stamp=stamp,
        git_commit=git_commit(),
        item_ids=data.item_ids.ids,
        encoders=encoders_of(workspace.lake),
        newest_event=newest_known(workspace.lake),
    )
    return _Fit(_row(split, version.version, model), seconds, _feature_worth(model, data))


def _show(workspace: Workspace, work: str, epoch: "Epoch") -> None:
    workspace.progress(work, epoch.number, epoch.most)


def _feature_worth(model: "Recommender", data: "Dataset") -> list[dict[str, Any]]:
    """The features that count most over some users' candidates; none if it ranks by none."""
    from models.protocol import FeatureRanker

    if not isinstance(model, FeatureRanker):
        return []
    users = distinct(data.train.users)[:_WORTH_USERS]
    worth = model.feature_worth(data.histories(users))
    return [asdict(feature) for feature in worth[:_WORTH_FEATURES]]


def _row(split: str, version: str, model: "Recommender") -> dict[str, Any]:
    curve = getattr(model, "curve", None)
    return {
        "split": split,
        "version": version,
        "best_epoch": curve.best_epoch if curve else None,
        "train_losses": curve.train if curve else None,
        "validation_losses": curve.validation if curve else None,
    }


def _curves_picture(name: str) -> str:
    return f"curve_{name}"


def _draw_curves(workspace: Workspace, name: str, fits: list[dict[str, Any]]) -> None:
    curves = {
        f"{name}, {fit['split']}": (fit["train_losses"], fit["validation_losses"])
        for fit in fits
        if fit["train_losses"]
    }
    if curves:
        training_curves(workspace.paths.pictures / f"{_curves_picture(name)}.png", curves)


def git_commit() -> str:
    """The commit of the checkout from which this code runs; `unknown` outside one."""
    if shutil.which("git") is None:
        return "unknown"
    checkout = Path(__file__).resolve().parent
    result = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=False
    )
    return result.stdout.strip() if result.returncode == 0 else "unknown"


model_assets = [_model_asset(entry) for entry in CATALOGUE]
