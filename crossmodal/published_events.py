"""What the lake's `interactions` were published with: their place in the log, and their scale.

Other tables say what they were made from, and a run may stop between them and the months that
everyone reads. So it is recorded when the last month is written.
"""

from dataclasses import dataclass

import polars as pl

from crossmodal.lake import Lake
from crossmodal.log_position import START, LogPosition
from crossmodal.value_scale import ValueScale

_TABLE = "published_interactions"
_MIDDLE, _STRONG = "value_middle", "value_strong"
_OLDER = ("staged_interactions", "reported_events")
TABLES = (_TABLE, *_OLDER)
"""What `published` reads, where it is there."""


@dataclass(frozen=True)
class Published:
    """What is known of the published events.

    Attributes:
        position: of the log, up to which they have everything.
        scale: by which a run gives a value to what has none; None where no run recorded it yet.
    """

    position: LogPosition
    scale: ValueScale | None


def published(lake: Lake) -> Published:
    """What was recorded last; in the home of an older version, what its tables say."""
    for table in (_TABLE, *_OLDER):
        position = LogPosition.of(lake, table)
        if position is not None:
            summary = lake.version(table).summary
            known = _MIDDLE in summary
            scale = ValueScale(summary[_MIDDLE], summary[_STRONG]) if known else None
            return Published(position, scale)
    return Published(START, None)


def scale_summary(scale: ValueScale) -> dict[str, float]:
    """Figures for the summary of the staged events."""
    return {_MIDDLE: scale.middle, _STRONG: scale.strong}


def record_published(lake: Lake) -> None:
    """Records that every month of the staged events is published."""
    staged = lake.version("staged_interactions")
    names = (*START.summary(), _MIDDLE, _STRONG)
    known = {name: staged.summary[name] for name in names if name in staged.summary}
    stamp = {name: str(value) for name, value in known.items()}
    if not lake.current(_TABLE, stamp):
        lake.write(_TABLE, pl.DataFrame([known]), stamp, **known)
