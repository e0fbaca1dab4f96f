"""What a model that learned from the validation events says of itself, held to the same users."""

import numpy as np
from numpy.typing import NDArray

from models.data import Dataset, Ints
from models.evaluation._ranking import tested
from models.protocol import SelfValidated

Values = NDArray[np.float64]
_NAMED = 5


class ValidatedUsersError(ValueError):
    """A model judged itself on other users than those that the others are judged on."""


def own_validation(model: SelfValidated, dataset: Dataset) -> tuple[Ints, Values]:
    """The users (n,) that the validation of any model asks about, and the model's own NDCG@10 (n,).

    The figures can be compared with those of `evaluate(model, dataset, dataset.validation,
    known=dataset.train)` of the other models, row by row.

    Args:
        model: fitted on `dataset`.
        dataset: of a split in which all items are ranked.

    Raises:
        ValidatedUsersError: the model's users are not the expected ones, or a figure is no NDCG.
    """
    expected = tested(dataset.train, dataset.validation, dataset.n_items)[0].users
    users, figures = model.validated_on()
    order = np.argsort(users, kind="stable")
    users, values = users[order], figures[order].astype(np.float64)
    if not np.array_equal(users, expected):
        raise ValidatedUsersError(_unlike(model.name, users, expected))
    if not ((values >= 0) & (values <= 1)).all():
        raise ValidatedUsersError(
            f"{model.name} gives itself an NDCG@10 outside 0 to 1, or none; fit it again."
        )
    return expected, values


def _unlike(name: str, users: Ints, expected: Ints) -> str:
    missing, more = np.setdiff1d(expected, users), np.setdiff1d(users, expected)
    differences = [
        f"{kind} {len(ids)} (first {', '.join(map(str, ids[:_NAMED]))})"
        for kind, ids in (("lacks", missing), ("has besides", more))
        if len(ids)
    ]
    return (
        f"{name} validated itself on {len(users)} users, where {len(expected)} have a validation "
        f"item that is new to them: it {' and '.join(differences) or 'names some twice'}. Fit it "
        "again on the events of this split."
    )
