"""One page of a list, made by a champion that was loaded from a home."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from home_of_tastes import NEW, home_of_tastes
from small_platform import small_settings
from users_with_tastes import N_ITEMS, N_KINDS

from crossmodal.event_log import EventLog
from crossmodal.workspace import Workspace
from models.baselines import Content, ContentConfig, Popularity
from models.data import Histories
from models.reasons import PLAIN, UNCHOSEN
from serving.champion import Champion, load_champion
from serving.cursors import MOST_SHOWN, Cursor
from serving.making import ListInMaking, NewPlaces
from serving.recommending import Ranked


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(small_settings(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def champion(workspace: Workspace) -> Champion:
    return load_champion(workspace, home_of_tastes(workspace, Popularity()))


@pytest.fixture(scope="module")
def reads_pictures(tmp_path_factory: pytest.TempPathFactory) -> Champion:
    """A champion that scores every second item: the others have no picture."""
    workspace = Workspace(small_settings(tmp_path_factory.mktemp("pictures")))
    model = Content(ContentConfig(modality="image"))
    return load_champion(workspace, home_of_tastes(workspace, model))


@pytest.fixture
def events(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog(tmp_path / "events.db")) as log:
        yield log


def made(making: ListInMaking) -> list[Ranked]:
    """The answer after all steps."""
    for step in making.steps():
        step.keep(step.find())
    return making.answer()


def page(champion: Champion, k: int, shown: int, new: NewPlaces | None = None) -> list[int]:
    """A page of k items after `shown` others, which the catalogue has no more."""
    cursor = Cursor.begin("user").beyond([f"gone-{place}" for place in range(shown)])
    making = ListInMaking(champion, champion.listed, k, new=new, shown=cursor)
    return [ranked.item for ranked in made(making)]


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


@pytest.mark.parametrize("wishes", [{}, {"diversity": 0.5}, {"candidates": True}])
@pytest.mark.parametrize("k", [N_ITEMS, N_ITEMS // 2 + 5])
def test_what_the_champion_cannot_score_comes_last_and_has_no_score(
    reads_pictures: Champion, wishes: dict[str, Any], k: int
) -> None:
    champion, pictured = reads_pictures, reads_pictures.vectors["image"].present
    if "candidates" in wishes:
        wishes = {"candidates": np.arange(N_ITEMS - 1, -1, -1, dtype=np.int32)}
    making = ListInMaking(champion, champion.listed, k, **wishes)
    making.know(Histories.of(champion.log.events, np.array([0], dtype=np.int32)))
    rows = made(making)
    items = np.array([row.item for row in rows])
    n_scored = N_ITEMS // 2
    assert len(set(items.tolist())) == len(rows) == k
    assert pictured[items[:n_scored]].all() and not pictured[items[n_scored:]].any()
    scores = [row.score for row in rows]
    assert None not in scores[:n_scored] and set(scores[n_scored:]) == {None}
    if "diversity" not in wishes:
        assert scores[:n_scored] == sorted(scores[:n_scored], reverse=True)
    unscored = np.flatnonzero(~pictured)
    in_order = unscored[np.argsort(champion.ties[unscored])]
    assert items[n_scored:].tolist() == in_order[: k - n_scored].tolist()
    for row in rows[n_scored:]:
        known = champion.popularity[row.item] > 0
        assert row.reason.sentence == (PLAIN if known else UNCHOSEN)
        assert not any(row.reason.shares.values()) and not row.reason.past_items


def test_diversity_orders_what_has_a_score(reads_pictures: Champion) -> None:
    history = Histories.of(reads_pictures.log.events, np.array([0], dtype=np.int32))

    def ordered(diversity: float) -> list[int]:
        making = ListInMaking(reads_pictures, reads_pictures.listed, N_ITEMS, diversity)
        making.know(history)
        return [row.item for row in made(making)]

    plain, diverse = ordered(0.0), ordered(0.7)
    kinds = [item % N_KINDS for item in diverse[:N_KINDS]]
    assert len(set(kinds)) == N_KINDS and plain[0] == diverse[0]
    assert len({item % N_KINDS for item in plain[:N_KINDS]}) == 1
