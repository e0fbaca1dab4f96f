"""What several calls send: ids, numbers, names of categories."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from crossmodal.event_rules import EventId as EventId
from crossmodal.event_rules import JsonNumber as JsonNumber
from crossmodal.event_rules import Value as Value
from crossmodal.ids import IN_PRINT, no_dot_segments
from crossmodal.modalities import MODALITIES
from serving.cursors import LONGEST, MOST_SHOWN

_Id = Annotated[
    str,
    Field(min_length=1, max_length=256, pattern=IN_PRINT),
    AfterValidator(no_dot_segments),
]


UserId = Annotated[_Id, Field(description="The app's own user id.", examples=["user-000042"])]

ItemId = Annotated[_Id, Field(description="An item of the catalogue.", examples=["item-00042"])]

if TYPE_CHECKING:
    Modality = str
else:
    Modality = Literal[MODALITIES]

Count = Annotated[int, Field(ge=1, le=200, description="Most items of the answer.")]

Diversity = Annotated[
    float,
    Field(ge=0, le=1, description="0 keeps the order of the scores; 1 makes items differ most."),
]

PlacesForNew = Annotated[
    int,
    Field(
        ge=0,
        le=100,
        description="Items without an event that the lower half of each page holds at least, where "
        "there are so many; those shown least come first.",
    ),
]

_MOST_CATEGORIES = 50
_Category = Annotated[str, Field(max_length=256)]
_OF_CATEGORIES = Field(
    max_length=_MOST_CATEGORIES,
    description="Only items that are in one of them.",
    examples=[["Comedy", "Drama"]],
)


def _several(sent: Any) -> Any:
    if sent is None:
        return []
    return [sent] if isinstance(sent, str) else sent


Categories = Annotated[tuple[_Category, ...], _OF_CATEGORIES]
"""In a query, where the parameter is given once for each."""

CategoriesSent = Annotated[
    list[_Category],
    _OF_CATEGORIES,
    BeforeValidator(
        _several,
        json_schema_input_type=_Category
        | Annotated[list[_Category], Field(max_length=_MOST_CATEGORIES)]
        | None,
    ),
]
"""In a body, where one may come without brackets."""

MOST_CANDIDATES = 1000
MOST_IN_A_QUERY = 200

_TO_LEAVE_OUT = Field(description="Items not to show.", examples=[["item-00007"]])

Exclude = Annotated[tuple[ItemId, ...], _TO_LEAVE_OUT, Field(max_length=MOST_IN_A_QUERY)]
"""In a query, where the parameter is given once for each, and which is no place for thousands."""

ExcludeSent = Annotated[list[ItemId], _TO_LEAVE_OUT, Field(max_length=MOST_CANDIDATES)]

After = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=LONGEST,
        description="For the next page: the `after` of the page before it, everything else asked "
        "as for that one; k may differ.",
        examples=["AfM_1d1mYWtlIGxpc3Q"],
    ),
]

NextPage = Annotated[
    str | None,
    Field(
        description="What to send as `after` for the next page, which repeats nothing. Null where "
        f"the list ends: after a page that is not full, or once {MOST_SHOWN} items were shown.",
        examples=["AfM_1d1mYWtlIGxpc3Q"],
    ),
]

UnknownItems = Annotated[
    list[str],
    Field(
        description="Items of the request that the catalogue does not have (any more), and that "
        "were passed over.",
        examples=[["item-99999"]],
    ),
]


class Sent(BaseModel):
    """Something an app sends: what it does not know is one error, not silence and not thousands."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    @model_validator(mode="before")
    @classmethod
    def _only_known_fields(cls, sent: Any) -> Any:
        unknown = sorted(map(str, set(sent) - set(cls.model_fields))) if type(sent) is dict else []
        if unknown:
            raise ValueError(
                f"There is no field {unknown[0][:64]!r}; there are {', '.join(cls.model_fields)}."
            )
        return sent
