"""The YAML file that says which column is what. Errors name its line."""

from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sources.protocol import SourceError
from sources.tables.times import parse_time

_STRICT = ConfigDict(extra="forbid", frozen=True)
_WIDEST = (-1e30, 1e30)
_LARGEST_MAPPING = 1_000_000


class EventsMapping(BaseModel):
    """Where the events are."""

    model_config = _STRICT

    path: str = Field(description="Parquet or CSV file below the root.")
    user: str = Field(description="Column of the user id.")
    item: str = Field(description="Column of the item id.")
    time: str = Field(description="Column of the time. Without an offset it is UTC.")
    time_format: str = Field(
        default="iso", description="iso, unix_s, unix_ms, year, or a strptime format with %."
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
    separator: str = Field(default=",", min_length=1, max_length=1, description="Of a CSV.")

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
        return _time_format(value)


class Categories(BaseModel):
    """Categories in one column: a list (Parquet) or text with a separator."""

    model_config = _STRICT

    column: str
    separator: str = Field(default="|", min_length=1)


class ItemsMapping(BaseModel):
    """Where the catalogue is."""

    model_config = _STRICT

    path: str = Field(description="Parquet or CSV file below the root.")
    id: str = Field(description="Column of the item id.")
    title: str | None = Field(default=None, description="Column of the title; empty without one.")
    text: str | None = Field(default=None, description="Column of the description.")
    categories: Categories | None = None
    attributes: list[str] = Field(default_factory=list, description="Columns of numbers.")
    released_at: str | None = Field(default=None, description="Column of the release.")
    created_at: str | None = Field(
        default=None,
        description="Column of the entry into the catalogue; without one, the first event of all.",
    )
    time_format: str = Field(default="iso", description="Of released_at and created_at.")
    separator: str = Field(default=",", min_length=1, max_length=1, description="Of a CSV.")

    @field_validator("time_format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        return _time_format(value)


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
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SourceError(f"{path}, line {line}: {error.problem}; this is not YAML.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}, line 1: this is not YAML in UTF-8 ({error}).") from error
    if not isinstance(raw, dict):
        raise SourceError(f"{path}, line 1: a mapping with the key interactions is expected.")
    try:
        return Mapping.model_validate(raw)
    except ValidationError as error:
        raise SourceError(_explain(path, node, error)) from error


def line_of(path: Path, *keys: str) -> int:
    """The line of a key in a mapping file, for messages about what it points to."""
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return _line(node, keys)


def _time_format(value: str) -> str:
    if value in {"iso", "unix_s", "unix_ms", "year"}:
        return value
    if "%" not in value:
        raise ValueError("time_format is iso, unix_s, unix_ms, year, or a strptime format with %")
    try:
        pl.DataFrame({"t": ["1"]}).select(parse_time("t", pl.String(), value))
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"time_format {value!r} is no format ({error})".splitlines()[0]) from error
    return value


def _explain(path: Path, node: Any, error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        where = ".".join(str(key) for key in fault["loc"]) or "the file"
        message = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{path}, line {_line(node, fault['loc'])}: {where}: {message}.")
    return "\n".join(faults)


def _line(node: Any, keys: tuple[int | str, ...]) -> int:
    """The line of the deepest part of `keys` that the file has, counted from 1."""
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
    return line
