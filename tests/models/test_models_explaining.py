"""What a list's reasons say."""

import numpy as np

from models.explanation import Explanation, stacked
from models.reasons import reasons

TITLES = np.array(["Only Room", "Half Minute", "The Long Road"], dtype=object)


def told(
    shares: list[float], past: list[int], nearest: int | None = None, unchosen: bool = False
) -> str:
    explanation = Explanation(
        ("text", "image", "behaviour", "popularity")[: len(shares)],
        np.array([[shares]], dtype=np.float32),
        np.ones((1, 1), dtype=np.float32),
        np.array([[past]], dtype=np.int32),
        np.zeros((1, 1, len(past)), dtype=np.float32),
        None if nearest is None else np.array([[nearest]], dtype=np.int32),
    )
    [sentence] = reasons(explanation, TITLES, np.array([[unchosen]]))
    return sentence


def test_past_items_are_named_and_not_said_to_have_the_modality() -> None:
    assert told([0.4, 0.6], [1, -1, -1]) == "its picture (60%); goes with “Half Minute”"
    assert (
        told([0.4, 0.6], [2, 0, 1])
        == "its picture (60%); goes with “The Long Road” and “Only Room”"
    )


def test_what_others_chose_is_said_of_those_who_chose_the_same() -> None:
    assert told([0, 0, 1.0], [1, 0, -1]) == (
        "what people who chose “Half Minute” and “Only Room” chose as well"
    )
    assert told([0.2, 0.2, 0.6], [1, -1, -1]) == (
        "what people who chose “Half Minute” chose as well (60%)"
    )
    assert told([0, 0, 0, 1.0], [-1, -1, -1]) == "what most people chose"


def test_of_a_new_item_the_known_one_is_named_that_speaks_for_it() -> None:
    assert told([0, 0, 1.0], [1, -1, -1], nearest=2) == (
        "its nearness to “The Long Road”, as it is new: "
        "what people who chose “Half Minute” chose as well"
    )
    assert told([0, 0, 1.0], [1, -1, -1], nearest=-1).startswith("what people")


def test_a_reason_says_only_what_is_known() -> None:
    assert told([1.0, 0.0], [-1, -1, -1]) == "its description (100%)"
    assert told([0.0, 0.0], [0, -1, -1]) == "goes with “Only Room”"
    assert told([0.0, 0.0], [-1, -1, -1]) == "what most people chose"
    assert told([0.0, 0.0, 1.0], [-1, -1, -1]) == "what most people chose"


def test_of_what_nobody_has_chosen_it_is_not_said_that_most_people_did() -> None:
    assert told([0.0, 0.0], [-1, -1, -1], unchosen=True) == "hardly known yet"
    assert told([0.0, 0.0, 1.0], [-1, -1, -1], unchosen=True) == "hardly known yet"
    assert told([0, 0, 0, 1.0], [-1, -1, -1], unchosen=True) == "hardly known yet"
    assert told([0.3, 0, 0, 0.7], [0, -1, -1], unchosen=True) == (
        "hardly known yet (70%); goes with “Only Room”"
    )
    assert told([1.0, 0.0], [-1, -1, -1], unchosen=True) == "its description (100%)"
    assert told([0, 0, 1.0], [-1, -1, -1], nearest=2, unchosen=True) == (
        "its nearness to “The Long Road”, as it is new: what most people chose"
    ), "which is said of the known one"


def test_of_nothing_there_is_nothing_to_say() -> None:
    one = Explanation(
        ("text",),
        np.zeros((1, 0, 1), dtype=np.float32),
        np.zeros((1, 0), dtype=np.float32),
        np.zeros((1, 0, 3), dtype=np.int32),
        np.zeros((1, 0, 3), dtype=np.float32),
    )
    assert reasons(one, TITLES) == []
    assert reasons(stacked([], ("text",), 2), TITLES) == []
