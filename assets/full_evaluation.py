"""What only a full evaluation fits and judges, and how that outlasts the runs that follow."""

from collections.abc import Callable, Iterable

from assets.stage import CODE, stamp_of
from assets.table_asset import Choices
from crossmodal.lake import Lake
from crossmodal.settings import Evaluation
from models.catalogue import ModelEntry
from models.splits.names import GLOBAL_TEMPORAL


def splits_judged(entry: ModelEntry, evaluation: Evaluation) -> tuple[str, ...]:
    """The splits on which a model is fitted to be judged, if the data has them.

    No decision depends on `global-temporal`, and a second fit of what trains weights is most of a
    run's time.
    """
    if evaluation == "full" or not entry.learns:
        return entry.splits
    return tuple(split for split in entry.splits if split != GLOBAL_TEMPORAL)


def choices_outlasting(
    lake: Lake,
    table: str,
    code: str,
    inputs: Iterable[str],
    choices: Callable[[Evaluation], Choices],
    evaluation: Evaluation,
) -> Choices:
    """Those of the settings, or those of a full evaluation whose table is still current.

    The full evaluation of a week is not lost to the run of the next day. One that has to be made
    again is made as the settings ask for it.

    Args:
        lake: with the table.
        table: its name.
        code: the code version of its asset.
        inputs: what it is made from.
        choices: its choices where so much is evaluated.
        evaluation: what the settings ask for.
    """
    of_full = choices("full")
    if lake.exists(table):
        stamp = {CODE: code, **stamp_of(lake, inputs, of_full)}
        if stamp.items() <= dict(lake.version(table).stamp).items():
            return of_full
    return choices(evaluation)
