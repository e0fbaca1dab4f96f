"""A champion that cannot score every item, asked over HTTP by the project's own client."""

from collections.abc import Iterator

import httpx
import pytest
from conftest import listening

from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.registry import ModelRegistry
from serving.client import Client
from serving.schemas.lists import RankedItem

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def of_pictures(kept: Settings) -> Iterator[str]:
    """Where a service listens whose champion scores items by their pictures alone."""
    registry = ModelRegistry(Workspace(kept).paths.models)
    wanted = "content_image-user-temporal"
    registry.promote(next(one.version for one in registry.versions() if one.name == wanted))
    with listening(kept) as url:
        yield url


@pytest.fixture(scope="module")
def pictured(kept: Settings) -> set[str]:
    """The items that have a picture."""
    return set(Workspace(kept).lake.read("image_embeddings")["item_id"])


def check(rows: list[RankedItem], pictured: set[str]) -> None:
    """Items without a picture come last, and have no score."""
    scored = [row.score is not None for row in rows]
    assert scored == [row.item_id in pictured for row in rows]
    assert scored == sorted(scored, reverse=True) and len(set(scored)) == 2


def test_candidates_without_a_score_come_last(
    of_pictures: str, pictured: set[str], kept: Settings
) -> None:
    items = Workspace(kept).lake.read("items")["item_id"].to_list()
    with Client(of_pictures) as client:
        rows = client.rank(items, "ada").items
    assert {row.item_id for row in rows} == set(items)
    check(rows, pictured)


@pytest.mark.parametrize("diversity", [0.0, 0.4])
def test_a_list_longer_than_what_has_a_score_goes_on_without(
    of_pictures: str, pictured: set[str], diversity: float
) -> None:
    with Client(of_pictures) as client:
        answer = client.recommendations("ada", k=100, diversity=diversity)
    assert answer.path == "champion"
    check(answer.items, pictured)


def test_the_description_of_the_calls_says_that_a_score_may_be_null(of_pictures: str) -> None:
    described = httpx.get(f"{of_pictures}/openapi.json", timeout=60).json()
    score = described["components"]["schemas"]["RankedItem"]["properties"]["score"]
    assert {"type": "null"} in score["anyOf"] and "Null" in score["description"]
