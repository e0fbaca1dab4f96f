"""The YAML file of a mapping. Errors name its line."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from sources.protocol import SourceError
from sources.tables.mapping import (
    Categories,
    EventsMapping,
    ItemsMapping,
    Mapping,
    MediaMapping,
)

_LARGEST_MAPPING = 1_000_000
_MERGE = "<<"
_TEXT_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}
_KINDS = {
    "bool": "a truth (true or false)",
    "int": "a number",
    "float": "a number",
    "null": "nothing",
    "timestamp": "a date",
}
_WORD_EXPECTED = {"string_type", "literal_error"}
_KEYS_EXPECTED = "keys with their values are needed here, each on a line of its own"
_EXPECTED = {
    "model_type": _KEYS_EXPECTED,
    "dict_type": _KEYS_EXPECTED,
    "tuple_type": "a list is needed here, such as [a, b]",
    "too_long": "the list is too long",
    "float_parsing": "a number is needed here",
    "float_type": "a number is needed here",
    "int_parsing": "a whole number is needed here",
    "int_type": "a whole number is needed here",
    "int_from_float": "a whole number is needed here",
    "less_than_equal": "a smaller number is needed here",
    "greater_than_equal": "a number that is not negative is needed here",
}
_SECTIONS: dict[str, type[BaseModel]] = {
    "interactions": EventsMapping,
    "items": ItemsMapping,
    "media": MediaMapping,
    "categories": Categories,
}


def read_mapping(path: Path) -> Mapping:
    """Reads and checks a mapping file.

    Raises:
        SourceError: the file is absent, not YAML, or says what is not understood; the message
            names file and line.
    """
    if path.is_dir():
        raise SourceError(f"{path} is a folder; give the YAML file that maps your tables.")
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
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SourceError(f"{path}, line 1: this is not YAML in UTF-8 ({error}).") from error
    if not isinstance(raw, dict):
        raise SourceError(f"{path}, line 1: a mapping with the key interactions is expected.")
    repeated = [
        f"{path}, line {key.start_mark.line + 1}: {key.value} is given twice here; keep one."
        for key in _repeated_keys(node)
    ]
    if repeated:
        raise SourceError("\n".join(repeated))
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
        line, value_node = _find(node, fault["loc"])
        if fault["type"] in _WORD_EXPECTED and _is_odd(value_node):
            message = _reading(value_node)
        if fault["type"] == "missing" and isinstance(fault["loc"][-1], int):
            message = "the list is too short"
        elif fault["type"] == "missing":
            message = "it is missing; name its column"
            if fault["loc"][-1] == "time":
                message += ", or write `time: none` where the events have no times"
        elif fault["type"] == "extra_forbidden":
            message = _not_a_key(fault["loc"])
        elif fault["type"] in _EXPECTED:
            message = _EXPECTED[fault["type"]]
        faults.append(f"{path}, line {line}: {where}: {message}.")
    return "\n".join(faults)


def _not_a_key(loc: tuple[int | str, ...]) -> str:
    """That a section has no such key, and which it may be instead."""
    section: type[BaseModel] = Mapping
    for part in loc[:-1]:
        section = _SECTIONS.get(str(part), section)
    keys = list(section.model_fields)
    near = get_close_matches(str(loc[-1]), keys, n=1)
    instead = f"{near[0]} is meant" if near else f"there are {', '.join(keys)}"
    return f"there is no such key here; {'perhaps ' if near else ''}{instead}"


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


def _repeated_keys(node: Any) -> Iterator[Any]:
    """Keys of a mapping that it has already, of which YAML would take the last."""
    if isinstance(node, yaml.MappingNode):
        known: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != _MERGE:
                if key.value in known:
                    yield key
                known.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated_keys(value)


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
            entry = next((pair for pair in node.value if pair[0].value == str(key)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            entry = (node.value[key], node.value[key]) if key < len(node.value) else None
        else:
            entry = None
        if entry is None:
            break
        line, node = entry[0].start_mark.line + 1, entry[1]
    return line, node
