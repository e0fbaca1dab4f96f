"""One page of a list, made by a champion that was loaded from a home."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from home_of_tastes import NEW, home_of_tastes
from small_platform import small_settings

from crossmodal.event_log import EventLog
from crossmodal.workspace import Workspace
from models.baselines import Popularity
from serving.champion import Champion, load_champion
from serving.cursors import MOST_SHOWN, Cursor
from serving.making import ListInMaking, NewPlaces


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(small_settings(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def champion(workspace: Workspace) -> Champion:
    return load_champion(workspace, home_of_tastes(workspace, Popularity()))


@pytest.fixture
def events(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog(tmp_path / "events.db")) as log:
        yield log


def page(champion: Champion, k: int, shown: int, new: NewPlaces | None = None) -> list[int]:
    """A page of k items after `shown` others, which the catalogue has no more."""
    cursor = Cursor.begin("user").beyond([f"gone-{place}" for place in range(shown)])
    making = ListInMaking(champion, champion.listed, k, new=new, shown=cursor)
    for step in making.steps():
        step.keep(step.find())
    return [ranked.item for ranked in making.answer()]


@pytest.mark.parametrize(
    ("k", "length", "places"), [(10, 10, 3), (10, 10, 9), (20, 10, 3), (200, 10, 9), (20, 1, 1)]
)
def test_a_page_keeps_places_for_new_items_in_its_own_lower_half(
    champion: Champion, events: EventLog, k: int, length: int, places: int
) -> None:
    shown = MOST_SHOWN - length
    plain = page(champion, k, shown)
    found = page(champion, k, shown, NewPlaces(places, events.impressions_of))
    half, n_new = length // 2, min(places, NEW, length - length // 2)
    assert len(found) == len(plain) == length
    assert champion.popularity[plain].all(), "the popular items come first"
    assert found[: length - n_new] == plain[: length - n_new] and found[:half] == plain[:half]
    assert not champion.popularity[found[length - n_new :]].any()
