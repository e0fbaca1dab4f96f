"""Tokens that say what was shown: they come back as they went, or are refused with a sentence."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cursors import LONGEST, MOST_SHOWN, Cursor, CursorError

IDS = st.lists(st.text(min_size=1, max_size=40), max_size=60)
BEGIN = Cursor.begin("user", 0.3, ["Comedy"])


@given(shown=IDS, others=IDS)
def test_what_was_shown_is_known_again_and_nothing_else(
    shown: list[str], others: list[str]
) -> None:
    token = BEGIN.beyond(shown).token()
    assert token is not None
    again = BEGIN.at(token)
    assert not again.unseen(shown).any()
    assert again.unseen(others).tolist() == [one not in shown for one in others]


@given(shown=IDS, data=st.data())
def test_a_changed_token_is_refused_or_the_same(shown: list[str], data: st.DataObject) -> None:
    token = BEGIN.beyond(shown).token()
    assert token is not None
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("AZaz09-_!é "))
    changed = data.draw(
        st.sampled_from([token[:at] + other + token[at + 1 :], token[:at], token + other])
    )
    try:
        assert BEGIN.at(changed) == BEGIN.beyond(shown)
    except CursorError as refused:
        assert "send it as it came" in str(refused)


@given(token=st.one_of(st.text(max_size=50), st.binary(max_size=50).map(base64.b64encode)))
def test_anything_else_is_refused(token: str | bytes) -> None:
    text = token if isinstance(token, str) else token.decode()
    with pytest.raises(CursorError):
        BEGIN.at(text)


def test_a_token_of_another_list_says_so() -> None:
    other = Cursor.begin("user", 0.3, ["Drama"]).beyond(["a"]).token()
    with pytest.raises(CursorError, match="of another list"):
        BEGIN.at(other)


def test_a_list_ends_where_its_tokens_would_grow_too_long() -> None:
    long = [f"{n}-{'x' * 250}" for n in range(MOST_SHOWN)]
    almost = BEGIN.beyond(long[:-1])
    token = almost.token()
    assert token is not None and len(token) <= LONGEST
    assert almost.room(20) == 1
    assert almost.beyond(long[-1:]).token() is None


def test_what_is_equal_begins_the_same_list() -> None:
    assert Cursor.begin("user", -0.0) == Cursor.begin("user", 0.0)
    assert Cursor.begin("user", 0.0) != Cursor.begin("user", 0.5)
