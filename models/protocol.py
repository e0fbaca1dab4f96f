"""What every recommender can do, and what some can do in addition."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from models.data import Dataset, Floats, Histories, Ints, TokenTable, Vocabulary


class NothingToLearnError(ValueError):
    """Too little was done for a model to be fitted to; the message says what it takes."""


class WarmStartError(ValueError):
    """A model cannot go on from an earlier fit; the message is a clause that says why."""


@dataclass(frozen=True)
class Ranking:
    """The best items of a batch of users.

    Attributes:
        items: (n_users, k) dense item indexes, best first; -1 where fewer than k can be ranked.
        scores: (n_users, k) the scores behind the order; -inf where there is no item.
    """

    items: Ints
    scores: Floats


@runtime_checkable
class Recommender(Protocol):
    """A model that can be asked about any users, known or not.

    A user is a row of `Histories`, so a new event or a new user needs no retraining.
    """

    name: str

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items` (dense indexes, all by default); more is better."""
        ...

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items per user, without the items of `exclude` (same users, row by row)."""
        ...


@runtime_checkable
class Trainable(Recommender, Protocol):
    """A recommender that learns from a `Dataset` and can be kept.

    State is saved as safetensors and JSON, never pickle.
    """

    def fit(self, dataset: Dataset) -> Self:
        """Learns from the dataset; the same seed and data give the same weights on a CPU."""
        ...

    def save(self, folder: Path) -> None:
        """Writes `weights.safetensors` and `config.json` into an existing folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a model of this class.
        """
        ...


@runtime_checkable
class Maskable(Trainable, Protocol):
    """A model that can be asked as if its items had other tokens than those it was fitted on."""

    def masked(self, tokens: Mapping[str, TokenTable]) -> Trainable:
        """The same learned state over other tokens of the same items; nothing is fitted again.

        The model itself stays as it is, and with the tokens of its fit the answer is the model
        again. What `tokens` lacks is absent: a modality without a table for every item, and an item
        without a row in a table for that item.
        """
        ...


@runtime_checkable
class Extendable(Recommender, Protocol):
    """A model that can take in items that came after its fit, from what they are."""

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> Recommender:
        """The same learned state over a catalogue with further and with changed items.

        The model itself stays as it is, and scores every other item as before. A changed item
        keeps what its events have taught. A table whose width is not that of the fit is absent.

        Args:
            tokens: of the k items alone: a table's item i is the one at `places[i]`.
            places: (k,) ascending dense indexes: below n_items the item that has changed, from
                n_items on, without a gap, those that follow.
        """
        ...


@runtime_checkable
class ScoresCandidates(Recommender, Protocol):
    """A model that scores few items of its own choice, unless it is asked for certain ones."""

    def score_given(self, users: Histories, items: Ints) -> Floats:
        """Scores (n_users, k) of items (k,), each finite whatever the model would choose itself."""
        ...


def score_given(model: Recommender, users: Histories, items: Ints) -> Floats:
    """Scores (n_users, k) of items (k,) by any model.

    Args:
        model: fitted.
        users: any.
        items: dense indexes, each once.
    """
    if isinstance(model, ScoresCandidates):
        return model.score_given(users, items)
    return model.score(users, items)


@runtime_checkable
class SelfValidated(Trainable, Protocol):
    """A model that learns from the validation events too, and is judged by what it held out itself.

    Attributes:
        validated: mean of what `validated_on` gives; NaN before a fit.
    """

    validated: float

    def validated_on(self) -> tuple[Ints, Floats]:
        """What the validation events said of parts of the model that had not seen them.

        Returns:
            Dense indexes (n,) of the users with a validation item that is new to them, each once,
            and their NDCG@10 (n,): of all items but those of their training, as
            `models.evaluation.evaluate` gives it with `known=dataset.train`.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        ...


@runtime_checkable
class Refittable(Trainable, Protocol):
    """A model whose recipe can be fitted again to all that is known, once it has been judged."""

    def refitted(self, dataset: Dataset) -> Self:
        """A new model of the same settings, fitted to the training events of the dataset.

        What trains, trains as long as validation made this one train, and by the same steps, or is
        taken over as it was judged; nothing stops it and nothing chooses among its epochs, so that
        no event need be held back. This model stays as it is.

        Args:
            dataset: all that is known, over any catalogue; its validation is empty.

        Raises:
            NotFittedError: this model was neither fitted nor loaded, so that nobody knows how long
                its recipe trains.
        """
        ...


@runtime_checkable
class WarmStartable(Refittable, Protocol):
    """A model that can go on from what it has learned, in a fraction of the time of a fit."""

    def warm_started(self, item_ids: Vocabulary, dataset: Dataset) -> Self:
        """A new model of the same settings that begins with the weights of this one.

        What belongs to one item is matched by the item's id; of an item without training events in
        the fit of this model, it begins as in any fit. This model stays as it is.

        Args:
            item_ids: of this model's dense indexes.
            dataset: all that is known, over any catalogue; its validation is empty.

        Raises:
            NotFittedError: this model was neither fitted nor loaded, or does not say how long its
                recipe trains.
            WarmStartError: the dataset has other features of items or events than this model reads.
        """
        ...


@dataclass(frozen=True)
class FeatureWorth:
    """What one feature of a ranker is worth.

    Attributes:
        feature: its name.
        gain: how much splits on it lowered the loss in all.
        shap: mean absolute SHAP value, in units of the score.
    """

    feature: str
    gain: float
    shap: float


@runtime_checkable
class FeatureRanker(Recommender, Protocol):
    """A model that ranks by named features."""

    def feature_worth(self, users: Histories) -> tuple[FeatureWorth, ...]:
        """What each feature is worth, the largest SHAP value over these users' candidates first."""
        ...
