"""All that is said of one model outside its own file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast

from crossmodal.modalities import MODALITIES
from crossmodal.settings import Settings
from models.catalogue.space import Space
from models.splits.names import USER_TEMPORAL

if TYPE_CHECKING:
    from pydantic import BaseModel

    from models.parallel import Executor
    from models.protocol import Trainable
    from models.training import Epoch

Choices = Mapping[str, Any]
"""Values by the names of a configuration's fields."""

OnEpoch = Callable[["Epoch"], None]
Runtime = Literal["device", "on_epoch", "executor"]

_NETWORKS = 3
"""Of the hybrid; more processes than that have nothing long to fit."""


@dataclass(frozen=True)
class Benchmark:
    """How a model takes part in `make bench-quality`.

    Attributes:
        kind: `ours` or `baseline`.
        splits: where it takes part.
        grid: the settings it is tuned over on validation; one needs no tuning.
        refits: learns from training and validation events together for the test, as the peers do;
            a model whose validation events stop its training does not.
    """

    kind: Literal["ours", "baseline"]
    splits: tuple[str, ...]
    grid: tuple[Choices, ...] = ({},)
    refits: bool = False


@dataclass(frozen=True)
class ModelEntry:
    """A model that is fitted as an asset.

    Its class is named and imported when it is needed: torch takes seconds to import, so that a run
    that keeps every model does without.

    Attributes:
        name: in the asset graph and in every table.
        description: for the asset graph.
        implementation: `module:class` of the model.
        configuration: `module:class` of its settings; None for a model that takes a seed alone.
        splits: it is fitted once on the training part of each; see `assets.datasets.splits_in`.
        fixed: settings that make it this model and not another of its class.
        from_platform: its own setting by that of the platform, such as `epochs` by
            `training_epochs`.
        takes: what its constructor takes in addition to its settings.
        family: what its class is saved as; its name where None.
        code_version: raised when the same choices would give another model.
        modality: the one modality without which there is no such model; None where it needs none.
        reads: modalities that it looks at where some item has them.
        learns: whether it trains weights; a baseline only counts.
        control: a floor that the others are compared with: it is judged and never answers.
        yardstick: whether every other model is compared with it, where it is fitted on the split.
        optional: whether it is fitted only where CROSSMODAL_EXTRA_MODELS names it.
        ordered: whether it lives on what came after what, which events without times do not say.
        impressions: whether it can learn from what users were shown and did not choose.
        space: which of its settings can be searched; None where none can.
        searched_on: the split whose validation events judge a search.
        benchmark: how it takes part in `make bench-quality`; None where it does not.
    """

    name: str
    description: str
    implementation: str
    configuration: str | None
    splits: tuple[str, ...]
    fixed: Choices = field(default_factory=dict)
    from_platform: Mapping[str, str] = field(default_factory=lambda: {"seed": "seed"})
    takes: tuple[Runtime, ...] = ()
    family: str | None = None
    code_version: str = "1"
    modality: str | None = None
    reads: tuple[str, ...] = MODALITIES
    learns: bool = False
    control: bool = False
    yardstick: bool = False
    optional: bool = False
    ordered: bool = False
    impressions: bool = False
    space: Space | None = None
    searched_on: str = USER_TEMPORAL
    benchmark: Benchmark | None = None

    @property
    def candidate(self) -> bool:
        """Whether it may become champion, which is chosen on user-temporal."""
        return USER_TEMPORAL in self.splits and not self.control

    def choose(self, settings: Settings) -> Choices:
        """What the platform's settings say about it, without the best settings of a search."""
        values = {
            option: getattr(settings, setting) for option, setting in self.from_platform.items()
        }
        return {**self.fixed, **values}

    def model_class(self) -> type["Trainable"]:
        """The class of the model."""
        return cast("type[Trainable]", _named(self.implementation))

    def default_config(self, settings: Settings) -> "BaseModel":
        """Its settings where none is searched or tuned."""
        return self.config_class()(**self.choose(settings))

    def config_class(self) -> type["BaseModel"]:
        """The class of its settings.

        Raises:
            TypeError: the model takes a seed alone.
        """
        if self.configuration is None:
            raise TypeError(f"{self.name} has no settings of its own.")
        return cast("type[BaseModel]", _named(self.configuration))

    def build(
        self,
        choices: Choices,
        device: str = "cpu",
        on_epoch: OnEpoch | None = None,
        executor: "Executor | None" = None,
    ) -> "Trainable":
        """An unfitted model.

        Args:
            choices: its settings: those of `choose`, with any others in place of its defaults.
            device: where it computes, as `models.encoders.device.choose_device` takes it.
            on_epoch: called after every epoch.
            executor: does parts of the fit; by default this machine.
        """
        further = {name: _at_run_time(name, device, on_epoch, executor) for name in self.takes}
        build: Callable[..., Trainable] = self.model_class()
        if self.configuration is None:
            return build(**choices, **further)
        return build(self.config_class()(**choices), **further)


def _at_run_time(
    name: Runtime, device: str, on_epoch: OnEpoch | None, executor: "Executor | None"
) -> Any:
    if name == "device":
        from models.encoders.device import choose_device

        return str(choose_device(device))
    if name == "executor":
        return executor or _this_machine()
    return on_epoch


def _this_machine() -> "Executor":
    from joblib import cpu_count

    from models.parallel import OnThisMachine

    return OnThisMachine(min(_NETWORKS, cpu_count()))


def _named(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module), name)
