"""What a trial is worth: NDCG@10 of the validation events."""

from collections.abc import Callable

from models.catalogue.space import Settings
from models.data import Dataset
from models.hmdf.model import HMDF
from models.hmdf.trees import LabelledSlice, TreeData, choose_rounds
from models.protocol import SelfValidated, Trainable
from models.training import Epoch
from models.validation import validation_loss

OnEpoch = Callable[[Epoch], None]
Objective = Callable[[Settings, OnEpoch], float]
"""NDCG@10 of a model of these settings; tells of every epoch while it is fitted."""


class NothingToJudgeError(ValueError):
    """A dataset has no validation events to choose settings by."""


def objective_of(
    build: Callable[[Settings, OnEpoch], Trainable], dataset: Dataset, seed: int = 42
) -> Objective:
    """`trees_objective` of a hybrid, `validation_objective` of any other model.

    Args:
        build: an unfitted model with these settings in place of its defaults.
        dataset: what it learns from.
        seed: draws the judging users where there are very many.

    Raises:
        NothingToJudgeError: the dataset has no validation events.
    """
    if not isinstance(build({}, lambda epoch: None), HMDF):
        return validation_objective(build, dataset, seed)

    def build_hybrid(settings: Settings, on_epoch: OnEpoch) -> HMDF:
        hybrid = build(settings, on_epoch)
        assert isinstance(hybrid, HMDF)
        return hybrid

    return trees_objective(build_hybrid, dataset)


def validation_objective(
    build: Callable[[Settings, OnEpoch], Trainable], dataset: Dataset, seed: int = 42
) -> Objective:
    """Fits a model a trial, and judges it by the dataset's validation events.

    A model that learns from those events is judged by what it held out itself
    (`models.protocol.SelfValidated`).

    Args:
        build: an unfitted model with these settings in place of its defaults.
        dataset: what it learns from; a dataset holds no test events.
        seed: draws the judging users where there are very many.

    Raises:
        NothingToJudgeError: the dataset has no validation events.
    """
    _require_validation(dataset)

    def value(settings: Settings, on_epoch: OnEpoch) -> float:
        model = build(settings, on_epoch).fit(dataset)
        if isinstance(model, SelfValidated):
            return model.validated
        return 1.0 - validation_loss(dataset, model, seed)()

    return value


def trees_objective(build: Callable[[Settings, OnEpoch], HMDF], dataset: Dataset) -> Objective:
    """Fits the trees of a hybrid a trial, over candidates that are made once.

    The figure is the NDCG@10 of the judging slices by the trees alone. Where slices are of time,
    `HMDF.fit` ranks users without a past by the guests' scores before it sets `validated`, so the
    two may differ. Settings of the trees change no candidate and no label, and making those takes
    minutes.

    Args:
        build: an unfitted hybrid with these settings in place of its defaults.
        dataset: what it learns from.

    Raises:
        NothingToJudgeError: the dataset has no validation events.
    """
    _require_validation(dataset)
    made: list[tuple[tuple[LabelledSlice, ...], tuple[str, ...]]] = []

    def value(settings: Settings, on_epoch: OnEpoch) -> float:
        hybrid = build(settings, on_epoch)
        if not made:
            slices = hybrid.labelled_slices(dataset)
            made.append((slices, hybrid.feature_names))
        slices, names = made[0]
        # Again in every trial: LightGBM leaves out features by settings that are searched.
        data = TreeData.of(slices, names, hybrid.config)
        return choose_rounds(data, hybrid.folds(slices), hybrid.config, on_epoch).mean

    return value


def _require_validation(dataset: Dataset) -> None:
    if not len(dataset.validation):
        raise NothingToJudgeError(
            "There are no validation events to choose settings by; search on data where users have "
            "enough events to hold some out."
        )
