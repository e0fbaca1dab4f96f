"""Ids of answers. An id says what made the answer, so that an event that names it says so too."""

import secrets
from typing import Literal

import polars as pl

AnswerPath = Literal["champion", "fallback"]
"""What made an answer: the champion, or what was at hand where a stage failed or was late."""

LONGEST = 300
"""Characters of an id, at most: a version is a folder, whose name has at most 255."""

_RANDOM_BYTES = 8
_MARKS: dict[AnswerPath, str] = {"champion": "c", "fallback": "f"}
_FORM = r"^[0-9a-f]{16}\.([cf])\.(.+)$"


def answer_id(version: str, path: AnswerPath) -> str:
    """A new id of an answer.

    Args:
        version: of the model that answers.
        path: what made the answer.
    """
    return f"{secrets.token_hex(_RANDOM_BYTES)}.{_MARKS[path]}.{version}"


def answered_by(request_id: pl.Expr) -> pl.Expr:
    """The version in an id; null where the id is of another form, or there is none."""
    return request_id.str.extract(_FORM, 2)


def fell_back(request_id: pl.Expr) -> pl.Expr:
    """Whether the answer was a fallback; null where the id does not say."""
    return request_id.str.extract(_FORM, 1) == _MARKS["fallback"]
