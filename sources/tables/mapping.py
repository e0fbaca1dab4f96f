"""The YAML file that says which column is what. Errors name its line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sources.plain_text import known_encoding
from sources.protocol import SourceError
from sources.rejects import Repeats
from sources.tables.times import require_readable
from sources.text_tables import AUTO, NONE, Dialect

NO_TIMES = "none"
"""In place of a column: the events have no times."""

_STRICT = ConfigDict(extra="forbid", frozen=True)
_WIDEST = (-1e30, 1e30)
_LARGEST_MAPPING = 1_000_000
_TEXT_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}
_KINDS = {
    "bool": "a truth (true or false)",
    "int": "a number",
    "float": "a number",
    "null": "nothing",
    "timestamp": "a date",
}
_WORD_EXPECTED = {"string_type", "literal_error"}
_TAB = {"\\t": "\t", "tab": "\t"}

BLANKS = (
    "None", "NONE", "none", "NULL", "Null", "null", "NaN", "nan", "NAN", "NaT", "NA", "N/A", "n/a",
    "#N/A", "<NA>", "\\N", "nil",
)  # fmt: skip
"""Words that stand for nothing, unless the mapping has a list of its own."""


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
    encoding: str | None = Field(default=None, description="Of a CSV that is not in UTF-8.")
    columns: tuple[str, ...] | None = Field(
        default=None, description="Names of the columns of a CSV without a header line."
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
        return Dialect(self.separator, self.quote, self.encoding, self.columns)


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
    types: dict[str, float] = Field(
        default_factory=dict,
        description="Weight of each event type; an event of another type is rejected.",
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
        if self.value_range[0] > self.value_range[1]:
            raise ValueError("value_range must be [least, greatest]")
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


class ItemsMapping(TableMapping):
    """Where the catalogue is."""

    id: str = Field(description="Column of the item id.")
    title: str | None = Field(default=None, description="Column of the title; empty without one.")
    text: str | None = Field(default=None, description="Column of the description.")
    categories: Categories | None = None
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


def read_mapping(path: Path) -> Mapping:
    """Reads and checks a mapping file.

    Raises:
        SourceError: the file is absent, not YAML, or says what is not understood; the message
            names file and line.
    """
    if not path.is_file():
        raise SourceError(f"{path} does not exist; give the YAML file that maps your tables.")
    if path.stat().st_size > _LARGEST_MAPPING:
        raise SourceError(f"{path} is too large to be a mapping; give the YAML file, not the data.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SourceError(f"{path}, line {line}: {error.problem}; this is not YAML.") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise SourceError(f"{path}, line 1: this is not YAML in UTF-8 ({error}).") from error
    if not isinstance(raw, dict):
        raise SourceError(f"{path}, line 1: a mapping with the key interactions is expected.")
    unquoted = [
        f"{path}, line {key.start_mark.line + 1}: {_reading(key)}." for key in _odd_keys(node)
    ]
    if unquoted:
        raise SourceError("\n".join(unquoted))
    try:
        return Mapping.model_validate(raw)
    except ValidationError as error:
        raise SourceError(_explain(path, node, error)) from error


def line_of(path: Path, *keys: str) -> int:
    """The line of a key in a mapping file, for messages about what it points to."""
    node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    return _line(node, keys)


def _explain(path: Path, node: Any, error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        where = ".".join(str(key) for key in fault["loc"]) or "the file"
        message = fault["msg"].removeprefix("Value error, ")
        line, found = _find(node, fault["loc"])
        if fault["type"] in _WORD_EXPECTED and _is_odd(found):
            message = _reading(found)
        if fault["type"] == "missing":
            message = "it is missing; name its column"
            if fault["loc"][-1] == "time":
                message += ", or write `time: none` where the events have no times"
        faults.append(f"{path}, line {line}: {where}: {message}.")
    return "\n".join(faults)


def _odd_keys(node: Any) -> Iterator[Any]:
    """Keys that YAML takes for something other than text, as it does with on, no, 1 and null."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if _is_odd(key):
                yield key
            yield from _odd_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _odd_keys(value)


def _is_odd(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag not in _TEXT_TAGS


def _reading(node: Any) -> str:
    kind = _KINDS.get(node.tag.rsplit(":", 1)[-1], "something else")
    written = node.value or "an empty place"
    return f"{written} is read as {kind}, not as text; quote it: '{node.value}'"


def _line(node: Any, keys: tuple[int | str, ...]) -> int:
    """The line of the deepest part of `keys` that the file has, counted from 1."""
    return _find(node, keys)[0]


def _find(node: Any, keys: tuple[int | str, ...]) -> tuple[int, Any]:
    """The line, from 1, and the node of the deepest part of `keys` that the file has."""
    line: int = node.start_mark.line + 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(key)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            found = (node.value[key], node.value[key]) if key < len(node.value) else None
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line, node
