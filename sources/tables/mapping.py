"""What a user can say of his tables: which column is what, and how the files are written."""

import math
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from sources.plain_text import known_encoding
from sources.rejects import Repeats
from sources.tables.times import require_readable
from sources.text_tables import AUTO, BACKSLASH, NONE, Dialect

NO_TIMES = "none"
"""In place of a column: the events have no times."""
Decimal = Literal[",", "."]
"""The sign before a fraction; the other one may stand between thousands."""
IGNORE = "ignore"
"""In place of a weight: the events of a type are left out."""

_STRICT = ConfigDict(extra="forbid", frozen=True)
_WIDEST = (-1e30, 1e30)
_TAB = {"\\t": "\t", "tab": "\t"}
_DECIMALS = {"comma": ",", "point": "."}
_STROKES = {"\\\\": BACKSLASH, "backslash": BACKSLASH}

BLANKS = (
    "None", "NONE", "none", "NULL", "Null", "null", "NaN", "nan", "NAN", "NaT", "NA", "N/A", "n/a",
    "#N/A", "<NA>", "\\N", "nil",
)  # fmt: skip
"""Words that stand for nothing, unless the mapping has a list of its own."""


def _weight(value: object) -> object:
    try:
        usable = value == IGNORE or math.isfinite(float(str(value)))
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("the weight of a type is a number, or ignore")
    return value


Weight = Annotated[float | Literal["ignore"], BeforeValidator(_weight)]
"""What an event of a type counts; `ignore` leaves such events out."""


class TableMapping(BaseModel):
    """What is said of a file or of many that are one table."""

    model_config = _STRICT

    path: str = Field(description="Parquet or CSV file below the root.")
    separator: str | None = Field(
        default=None, description="Of a CSV: one character, or tab. A comma without it."
    )
    quote: str = Field(
        default=AUTO,
        description="Of a CSV: none where a quote is a letter like any other, or the character.",
    )
    escape: str | None = Field(
        default=None,
        description="Of a CSV: a backslash where it marks signs that are text, none where it is a "
        "letter.",
    )
    encoding: str | None = Field(default=None, description="Of a CSV that is not in UTF-8.")
    columns: tuple[str, ...] | None = Field(
        default=None, description="Names of the columns of a CSV without a header line."
    )
    skip_lines: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Of a CSV: so many lines stand above its header or first row.",
    )
    decimal: Decimal | None = Field(
        default=None,
        description="The sign before the fraction of a number; the other one may stand between "
        "thousands. Without it, a point, and nothing between thousands.",
    )

    @field_validator("separator")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = None if value is None else _TAB.get(value.lower(), value)
        if value is not None and (len(value) != 1 or not value.isascii() or value in "\"'\r\n"):
            raise ValueError('separator is one character, such as ";", or tab')
        return value

    @field_validator("quote")
    @classmethod
    def _quote(cls, value: str) -> str:
        if value not in {AUTO, NONE} and (len(value) != 1 or not value.isascii()):
            raise ValueError('quote is none, or one character such as "\'"')
        return value

    @field_validator("escape")
    @classmethod
    def _escape(cls, value: str | None) -> str | None:
        value = None if value is None else _STROKES.get(value.lower(), value)
        if value not in {None, NONE, BACKSLASH}:
            raise ValueError("escape is '\\' or none; doubled quotes need no escape")
        return value

    @field_validator("decimal", mode="before")
    @classmethod
    def _decimal(cls, value: object) -> object:
        return _DECIMALS.get(value, value) if isinstance(value, str) else value

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, value: str | None) -> str | None:
        if value is not None and not known_encoding(value):
            raise ValueError(
                f"{value!r} is no encoding that Python knows; write one such as latin-1, cp1252, "
                "utf-16 or gb18030"
            )
        return value

    @field_validator("columns")
    @classmethod
    def _columns(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError("columns must be names, each once")
        return value

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.quote == (self.separator or ","):
            raise ValueError("quote and separator must differ")
        return self

    @property
    def named(self) -> list[str]:
        """The columns that it names."""
        return []

    @property
    def dialect(self) -> Dialect:
        """How a CSV of it is written."""
        return Dialect(
            self.separator,
            self.quote,
            self.encoding,
            self.columns,
            self.escape,
            self.skip_lines,
        )


class EventsMapping(TableMapping):
    """Where the events are."""

    user: str = Field(description="Column of the user id.")
    item: str = Field(description="Column of the item id.")
    time: str = Field(
        description="Column of the time, without an offset in UTC; none where there is no time."
    )
    time_format: str = Field(
        default="iso",
        description="iso, unix_s, unix_ms, unix_us, unix_ns, year, or a strptime format with %.",
    )
    type: str | None = Field(default=None, description="Column of the event type.")
    types: dict[str, Weight] = Field(
        default_factory=dict,
        description="Weight of each event type, or ignore, which leaves its events out.",
    )
    other_types: Literal["reject", "ignore"] = Field(
        default="reject", description="What becomes of an event whose type `types` does not have."
    )
    value: str | None = Field(
        default=None, description="Column of the value; where blank, the type's weight counts."
    )
    value_range: tuple[float, float] = Field(
        default=_WIDEST, description="Least and greatest value that is taken."
    )
    text: str | None = Field(default=None, description="Column of what the user wrote.")
    repeats: Repeats | None = Field(
        default=None,
        description="keep, sum, last or reject events of the same user, item, type and time. "
        "Without it, typed events are kept, and of others those rejected that agree in every "
        "column.",
    )

    @property
    def repeats_in_force(self) -> Repeats:
        """What becomes of repeats: buying twice is two purchases, rating twice is one rating."""
        return self.repeats or ("keep" if self.type else "reject")

    @property
    def weights(self) -> dict[str, float]:
        """Weight by event type; where no type has one, none is needed."""
        return {name: weight for name, weight in self.types.items() if not isinstance(weight, str)}

    @property
    def ignored(self) -> list[str]:
        """Event types that are left out."""
        return [name for name, weight in self.types.items() if weight == IGNORE]

    @property
    def timeless(self) -> bool:
        """Whether nothing says when an event was."""
        return self.time == NO_TIMES

    @property
    def named(self) -> list[str]:
        """The columns that it names."""
        time = None if self.timeless else self.time
        named = (self.user, self.item, time, self.type, self.value, self.text)
        return [name for name in named if name is not None]

    @model_validator(mode="after")
    def _types_need_their_column(self) -> "EventsMapping":
        if self.types and self.type is None:
            raise ValueError("types needs type, the column that holds the event type")
        if self.other_types == IGNORE and not self.weights:
            raise ValueError("other_types: ignore needs types, with the weight of those that count")
        if "value_range" in self.model_fields_set and self.value is None:
            raise ValueError("value_range needs value, the column that holds the value")
        if not self.value_range[0] <= self.value_range[1]:
            raise ValueError("value_range must be [least, greatest]")
        if self.user == self.item:
            raise ValueError("user and item are two columns")
        return self

    @field_validator("time_format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        require_readable(value)
        return value


class Categories(BaseModel):
    """Categories in one column: a list, or text with a separator."""

    model_config = _STRICT

    column: str
    separator: str = Field(default="|", min_length=1)
    path: str | None = Field(
        default=None, description="The field that counts where the column is a list of records."
    )


def _of_one_column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class ItemsMapping(TableMapping):
    """Where the catalogue is."""

    id: str = Field(description="Column of the item id.")
    title: str | None = Field(default=None, description="Column of the title; empty without one.")
    text: str | None = Field(default=None, description="Column of the description.")
    categories: Annotated[Categories | None, BeforeValidator(_of_one_column)] = Field(
        default=None, description="Column of the categories, or what Categories has to say of it."
    )
    attributes: tuple[str, ...] = Field(default=(), description="Columns of numbers.")
    released_at: str | None = Field(default=None, description="Column of the release.")
    created_at: str | None = Field(
        default=None,
        description="Column of the entry into the catalogue; without one, the first event of all.",
    )
    time_format: str = Field(default="iso", description="Of released_at and created_at.")

    @property
    def named(self) -> list[str]:
        """The columns that it names."""
        listed = self.categories.column if self.categories else None
        named = (self.id, self.title, self.text, listed, self.released_at, self.created_at)
        return [*(name for name in named if name is not None), *self.attributes]

    @field_validator("time_format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        require_readable(value)
        return value


class MediaMapping(BaseModel):
    """Columns of the items file that hold paths or file: URIs."""

    model_config = _STRICT

    image: str | None = None
    audio: str | None = None
    video: str | None = None

    @property
    def columns(self) -> dict[str, str]:
        """Modality to column, of those that are given."""
        return {name: column for name, column in self if column is not None}


class Mapping(BaseModel):
    """The whole file. `root`, relative to it, bounds every path."""

    model_config = _STRICT

    root: str = "."
    blanks: tuple[str, ...] = Field(
        default=BLANKS, description="Words that stand for nothing in any column."
    )
    interactions: EventsMapping
    items: ItemsMapping | None = None
    media: MediaMapping = MediaMapping()

    @model_validator(mode="after")
    def _media_need_items(self) -> "Mapping":
        if self.media.columns and self.items is None:
            raise ValueError("media names columns of the items file, so items must be given")
        return self
