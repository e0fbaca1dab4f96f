"""What pydantic finds wrong, in the words of JSON: callers know of no Python."""

from collections.abc import Mapping
from typing import Any

_OBJECT = "A JSON object is needed."
_ARRAY = "A JSON array is needed."
_WHOLE_NUMBER = "A whole number is needed."
_NUMBER = "A number is needed."
_TRUTH = "true or false is needed."
_INSTANT = "This is no instant such as 2026-01-31T18:00:00Z: {error}."
_SENTENCES = {
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": _ARRAY,
    "string_type": "Text is needed.",
    "string_unicode": "This text holds half of a character, which is no Unicode.",
    "string_pattern_mismatch": "Text in print is needed: more than blanks, and no control "
    "characters or line breaks.",
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "datetime_parsing": _INSTANT,
    "datetime_from_date_parsing": _INSTANT,
    "too_short": "{min_length} or more are needed.",
    "too_long": "{max_length} at most may be sent.",
}
"""By pydantic's name of a fault; {...} is what it tells of it."""


def sentence(fault: Mapping[str, Any]) -> str:
    """What is wrong with a field.

    Args:
        fault: one of pydantic's errors.
    """
    if isinstance(fault.get("input"), bytes):
        return "The body was not read as JSON: send it with Content-Type: application/json."
    template = _SENTENCES.get(fault["type"])
    if template is None:
        return str(fault["msg"]).removeprefix("Value error, ")
    return template.format_map(fault.get("ctx", {}))
