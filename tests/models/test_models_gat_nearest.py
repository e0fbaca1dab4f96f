"""The items nearest to each other in a modality, of the tokens of a fit and of others."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data import TokenTable
from models.gat.nearest import Nearest, NearestItems
from models.standardisation import Standardisation

ITEMS, KINDS = 40, 4


@pytest.fixture(scope="module")
def tokens() -> Mapping[str, TokenTable]:
    """A text that says which of four kinds an item is of; pictures of noise, which three lack."""
    rng = np.random.default_rng(0)
    text = np.eye(KINDS)[np.arange(ITEMS) % KINDS] + 0.05 * rng.standard_normal((ITEMS, KINDS))
    return {"text": table(text), "image": table(rng.standard_normal((ITEMS - 3, 12)))}


def table(features: np.ndarray) -> TokenTable:
    n = len(features)
    return TokenTable(
        ITEMS, np.arange(n, dtype=np.int32), np.zeros(n, dtype=np.int64), features.astype("f4")
    )


def test_the_nearest_are_those_of_the_whole_matrix(tokens):
    images = tokens["image"]
    features, present = images.at()
    known = features[present]
    near = Nearest.of(images, 4, Standardisation.of(known), timeless=True)
    unit = (known - known.mean(axis=0)) / known.std(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    for item in range(ITEMS - 3):
        own = slice(near.offsets[item], near.offsets[item + 1])
        best = np.argsort(-cosines[item])[:4]
        best = best[cosines[item, best] > 0]
        assert near.items[own].tolist() == best.tolist()
        np.testing.assert_allclose(near.similarity[own], cosines[item, best], atol=1e-5)
    assert near.offsets[-1] == near.offsets[ITEMS - 3]


@settings(deadline=None)
@given(st.sets(st.integers(0, ITEMS - 1)))
def test_who_lost_a_modality_is_near_nobody_in_it_and_the_others_are_as_near_as_before(
    tokens, lost
):
    find = NearestItems.fit(tokens, ITEMS)
    gone = np.isin(np.arange(ITEMS), list(lost))
    before, image = find(tokens, ITEMS)
    left = {**tokens, "text": tokens["text"].without(gone)}
    after, image_after = find(left, ITEMS)
    assert image_after is image
    kept = {pair: cosine for pair, cosine in pairs(before).items() if not gone[list(pair)].any()}
    found = pairs(after)
    assert found.keys() == kept.keys()
    np.testing.assert_allclose(list(found.values()), [kept[pair] for pair in found], atol=1e-5)


def test_the_next_nearest_takes_the_place_of_one_that_is_gone(tokens):
    find = NearestItems.fit(tokens, 3)
    before = find(tokens, ITEMS)[0]
    gone = np.arange(ITEMS) == before.items[0]
    after = find({"text": tokens["text"].without(gone)}, ITEMS)[0]
    first, now = before.items[:3].tolist(), after.items[:3].tolist()
    assert now[:2] == first[1:] and now[2] not in first


def test_nothing_is_near_in_a_modality_without_tokens(tokens):
    find = NearestItems.fit(tokens, 3)
    text, image = find({"image": tokens["image"]}, ITEMS)
    assert len(text.items) == 0 and len(text.offsets) == ITEMS + 1 and len(image.items) > 0


def pairs(near: Nearest) -> dict[tuple[int, int], float]:
    owners = np.repeat(np.arange(ITEMS), np.diff(near.offsets))
    ends = zip(owners.tolist(), near.items.tolist(), strict=True)
    return dict(zip(ends, near.similarity.tolist(), strict=True))
