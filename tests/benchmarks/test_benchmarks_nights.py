"""Two tiny nights, with real processes, the daemon's own schedule and kills."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from small_platform import chosen_by_variables

from benchmarks.nights.__main__ import Nights, platform_in, table
from benchmarks.nights.aftermath import faults_at_rest
from benchmarks.nights.weeks import Timeline, timeline
from sources.catalogue import SourceRequest
from sources.factory import open_source
from sources.sample.config import SampleConfig

NIGHTS, DAYS = 2, 60


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    config = SampleConfig(users=60, items=40, events=1500)
    source = open_source("sample", SourceRequest(tmp_path_factory.mktemp("source"), sample=config))
    source.fetch()
    return timeline(source, NIGHTS, DAYS)


def test_every_event_is_known_before_the_nights_or_comes_in_one_of_them(weeks: Timeline) -> None:
    assert len(weeks.weeks) == NIGHTS + 1
    before = weeks.known["event_timestamp"].max()
    for week in weeks.weeks:
        times = week["event_timestamp"]
        assert times.min() > before and times.max() - times.min() <= timedelta(days=DAYS)
        before = times.max()
    ids = pl.concat([week["event_id"] for week in weeks.weeks])
    assert ids.n_unique() == ids.len() > 0


@pytest.mark.slow
@pytest.mark.faults
def test_nights_with_kills_lose_nothing_and_need_nobody(
    weeks: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("supervisor", reason="the package supervisor is not installed here")
    chosen = {**chosen_by_variables(), "CROSSMODAL_UNATTENDED_FREE_GB": "0"}
    # The judge reads the same home with the same key.
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    nights = Nights(platform_in(tmp_path, 2, chosen), weeks, seed=42)
    try:
        assert nights.pass_by(kills=4, between_seconds=30) == []
    finally:
        nights.platform.down()
    assert faults_at_rest(nights.platform, nights.reported) == []
    assert len(nights.kills) == 4 and len(nights.mornings) == NIGHTS
    assert len(nights.reported) == sum(week.height for week in weeks.weeks[:NIGHTS])
    assert len(table(nights.mornings).splitlines()) == 2 + NIGHTS
