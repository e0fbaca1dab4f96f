"""Whether there are events enough to judge models by, and what answers where there are not."""

from dataclasses import dataclass

import polars as pl

from crossmodal.lake import Lake

UNJUDGED = "popularity"
"""What answers where no model can be judged: it only counts, and so has nothing to get wrong."""

_FEWEST_ITEMS = 2
_PAIR = ("user_id", "item_id")


@dataclass(frozen=True)
class Judging:
    """What the events allow.

    Attributes:
        held: how many there are, a clause.
        fault: why no model can be judged, a clause; empty where some can.
    """

    held: str
    fault: str


def judging(events: pl.DataFrame, warm: str) -> Judging:
    """What the events of a value above 0 allow.

    Args:
        events: user_id, item_id, and the part that each plays in the split that chooses.
        warm: name of that split.
    """
    users, items = events["user_id"].n_unique(), events["item_id"].n_unique()
    most = max(events["user_id"].value_counts()["count"].to_list(), default=0)
    choosing = int((events[warm] == "validation").sum())
    learned, chosen, tested = (
        events.lazy().filter(pl.col(warm) == part).select(_PAIR)
        for part in ("train", "validation", "test")
    )
    held = (
        f"There are {events.height:,} events of a value above 0, of {users:,} users on {items:,} "
        "items"
    )
    if not events.height:
        fault = "no event has a value above 0, which is what says that someone wanted an item"
    elif items < _FEWEST_ITEMS:
        fault = f"all events are on {items} item, so that there is nothing to choose between"
    elif not choosing:
        fault = (
            f"no user has more than {most}, and of a user's events one is for learning, one for "
            "choosing between models and one for judging the chosen"
        )
    elif not (_findable(chosen, [learned]) and _findable(tested, [learned, chosen])):
        fault = (
            "whoever has three or more does again what he did before, so that nothing is left for "
            "a model to find"
        )
    else:
        return Judging(f"{held}; {choosing:,} of them choose between models", "")
    return Judging(held, fault)


def _findable(held_out: pl.LazyFrame, before: list[pl.LazyFrame]) -> bool:
    """Whether some event is on an item that its user did not have: no list shows what he had."""
    had = pl.concat(before).join(held_out, on="user_id", how="semi")
    return not held_out.join(had, on=_PAIR, how="anti").head(1).collect().is_empty()


def why_not_judged(lake: Lake) -> str:
    """Why no model can be judged by the events of the lake, a clause; empty where some can."""
    return str(lake.version("splits").summary.get("too_few", ""))
