"""What a list's reasons say."""

import numpy as np

from models.explaining import reasons
from models.mmnn.explanation import Explanation

TITLES = np.array(["Only Room", "Half Minute", "The Long Road"], dtype=object)


def told(shares: list[float], past: list[int]) -> str:
    explanation = Explanation(
        ("text", "image"),
        np.array([[shares]], dtype=np.float32),
        np.array([[past]], dtype=np.int32),
        np.zeros((1, 1, len(past)), dtype=np.float32),
    )
    [sentence] = reasons(explanation, TITLES)
    return sentence


def test_past_items_are_named_and_not_said_to_have_the_modality() -> None:
    assert told([0.4, 0.6], [1, -1, -1]) == "its picture (60%); goes with “Half Minute”"
    assert (
        told([0.4, 0.6], [2, 0, 1])
        == "its picture (60%); goes with “The Long Road” and “Only Room”"
    )


def test_a_reason_says_only_what_is_known() -> None:
    assert told([1.0, 0.0], [-1, -1, -1]) == "its description (100%)"
    assert told([0.0, 0.0], [0, -1, -1]) == "goes with “Only Room”"
    assert told([0.0, 0.0], [-1, -1, -1]) == "what most people chose"
