"""What a first list takes is done before anybody waits for one."""

from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from crossmodal.settings import Settings
from models.baselines import Popularity
from models.data import Floats, Histories, Ints
from serving.app import create_app
from serving.champion import Champion
from serving.rehearsal import rehearse

pytestmark = pytest.mark.slow


class Noting(Popularity):
    """Notes how long the histories are that it is asked about."""

    def __init__(self, n_items: int) -> None:
        super().__init__()
        self.n_items, self.asked = n_items, list[int]()

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        self.asked += users.lengths.tolist()
        size = self.n_items if items is None else len(items)
        return np.zeros((len(users), size), dtype=np.float32)


def test_a_list_is_made_for_nobody_and_for_somebody(asking: TestClient) -> None:
    champion: Champion = asking.app.state.service.champions.current  # type: ignore[attr-defined]
    model = Noting(len(champion.listed))
    rehearse(replace(champion, model=model))
    assert 0 in model.asked and max(model.asked) > 0


def test_a_service_rehearses_before_it_is_ready(
    kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr("serving.service.rehearse", lambda champion: seen.append(champion.version))
    with TestClient(create_app(kept)) as client:
        assert seen == [client.app.state.service.champions.current.version]  # type: ignore[attr-defined]
