"""What may be reported, whichever way it comes: through the service or through Feast."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from crossmodal.answer_ids import LONGEST
from crossmodal.ids import IN_PRINT, no_dot_segments


def _number(sent: Any) -> Any:
    if isinstance(sent, bool | str):
        raise ValueError("A number is needed.")
    return sent


JsonNumber = BeforeValidator(_number)
"""In JSON neither true nor "1" is a number; in a query all are text."""

EventId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=IN_PRINT,
        description="The app's own id of the event; sent again, it counts once.",
        examples=["7f3c9a"],
    ),
    AfterValidator(no_dot_segments),
]

Value = Annotated[
    float,
    Field(ge=-1e6, le=1e6, allow_inf_nan=False, description="Stars or strength.", examples=[4.5]),
    JsonNumber,
]

ReviewText = Annotated[str, Field(max_length=10_000)]

RequestId = Annotated[str, Field(max_length=LONGEST)]

Rank = Annotated[
    int,
    Field(ge=1, le=1_000_000, description="The item's rank in that answer.", examples=[3]),
    JsonNumber,
]


def require_fitting(event_type: str, value: float | None) -> None:
    """Refuses a type of event with a value that it does not have, or without one that it needs.

    Raises:
        ValueError: says what is wrong.
    """
    if event_type == "rating" and value is None:
        raise ValueError("A rating needs a value.")
    if event_type == "hide" and value is not None:
        raise ValueError("A hide has no value; leave it out, or send a rating.")
