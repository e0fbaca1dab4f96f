"""What several calls send: ids, numbers, names of categories."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_IN_PRINT = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]+$"
"""No control characters and no line breaks: they would be read as something else in a path."""


def _number(sent: Any) -> Any:
    if isinstance(sent, bool | str):
        raise ValueError("A number is needed.")
    return sent


JsonNumber = BeforeValidator(_number)
"""In JSON neither true nor "1" is a number; in a query all are text."""

_Id = Annotated[str, Field(min_length=1, max_length=256, pattern=_IN_PRINT)]

UserId = Annotated[_Id, Field(description="The app's own user id.", examples=["user-000042"])]

ItemId = Annotated[_Id, Field(description="An item of the catalogue.", examples=["item-00042"])]

Modality = Literal["text", "image", "audio", "reviews", "attributes"]

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
        description="Items without an event that the lower half of the list holds at least, where "
        "there are so many; those shown least come first.",
    ),
]

Value = Annotated[
    float,
    Field(ge=-1e6, le=1e6, allow_inf_nan=False, description="Stars or strength.", examples=[4.5]),
    JsonNumber,
]

Category = Annotated[
    str | None, Field(max_length=256, description="Only items in it.", examples=["Comedy"])
]

MOST_CANDIDATES = 1000


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
