"""From what apps report to what the hybrid's trees learn from what was shown and not chosen."""

from contextlib import closing
from datetime import datetime, timedelta

import polars as pl
import pytest

from assets.impressions import learned_from
from assets.registry import open_registry
from assets.training import fitted_versions
from crossmodal.answer_ids import answer_id
from crossmodal.event_log import EventLog, LoggedEvent
from crossmodal.pseudonyms import pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.catalogue import entry_of
from models.data import NEVER, Dataset
from models.splits.names import USER_TEMPORAL
from orchestration.run import run_pipeline

pytestmark = pytest.mark.slow
ADA = pseudonym("ada", b"a key for tests")
HYBRID = "model_hmdf"
READ = "group:sources or group:ingestion or group:features or key:impressions"
FIT = f"key:splits or key:training_frame or key:item_tokens or key:{HYBRID}"
LISTS = 20


class App:
    """Reports something of one user every minute."""

    def __init__(self, log: EventLog, now: datetime) -> None:
        self._log, self._now = log, now

    def report(self, item: str, kind: str, answer: str | None) -> int:
        """Returns when it happened, in UTC microseconds."""
        self._now += timedelta(minutes=1)
        instant = round(self._now.timestamp() * 1_000_000)
        event = LoggedEvent(f"at {instant}", ADA, item, kind, None, None, answer, instant)
        assert self._log.append([event]).result() == 1
        return instant


def lists_with_one_choice(app: App, items: list[str]) -> tuple[list[tuple[str, int, int]], int]:
    """Shows lists of three, of which the first is chosen; each once more shows one of later lists.

    Returns:
        Item, instant and list of each impression, and the instant of the last choice but two.
    """
    rows, chosen = [], []
    for number in range(LISTS):
        answer = answer_id(f"ease-{number}", "champion")
        later = items[3 * ((number + 9) % LISTS)]
        of_list = [*items[3 * number : 3 * number + 3], later]
        rows += [(item, app.report(item, "impression", answer), number) for item in of_list]
        chosen.append(app.report(of_list[0], "click", answer))
    return rows, chosen[-3]


def learned(dataset: Dataset) -> set[tuple[str, int, bool]]:
    """Item, instant, and whether the user was seen to act on it, of Ada's impressions."""
    found = dataset.impressions
    assert {dataset.user_ids.ids[user] for user in found.users} == {ADA}
    names = [dataset.item_ids.ids[item] for item in found.items]
    acted = (found.acted_at < NEVER).tolist()
    return set(zip(names, found.timestamps.tolist(), acted, strict=True))


def test_the_trees_learn_from_what_was_shown_where_the_setting_says_so(copied: Settings) -> None:
    workspace = Workspace(copied)
    on = copied.model_copy(update={"hybrid_impressions": True})
    lake, registry = workspace.lake, open_registry(workspace)
    newest = lake.scan_partitions("interactions").select(pl.col("event_timestamp").max())
    items = lake.read("items")["item_id"].to_list()
    with closing(EventLog(workspace.paths.event_log)) as log:
        app = App(log, newest.collect().item())
        rows, last_known = lists_with_one_choice(app, items)
        app.report(items[-1], "impression", None)

        without = run_pipeline(copied, only=f"{READ} or {FIT}")
        assert HYBRID in without.made and "impressions" in without.made
        plain = fitted_versions(lake, "hmdf")
        assert lake.read("impressions").height == len(rows), "what names no answer is left out"
        assert not len(learned_from(entry_of("hmdf"), workspace, USER_TEMPORAL).impressions)

        dataset = learned_from(entry_of("hmdf"), Workspace(on), USER_TEMPORAL)
        # Of twenty events, the last two are test events.
        known_choices = {items[3 * number] for number in range(LISTS - 2)}
        assert learned(dataset) == {
            (item, at, item in known_choices) for item, at, _ in rows if at <= last_known
        }, "neither what was shown after the last event that may be known, nor who chose it then"
        assert not len(learned_from(entry_of("ease"), Workspace(on), USER_TEMPORAL).impressions)

        assert run_pipeline(on, only=f"key:{HYBRID}").made == (HYBRID,)
        fitted = fitted_versions(lake, "hmdf")
        assert set(fitted) == set(plain) and fitted[USER_TEMPORAL] != plain[USER_TEMPORAL]
        manifest = registry.version(fitted[USER_TEMPORAL])
        assert manifest.data_versions["impressions"] == lake.version("impressions").data_version
        assert run_pipeline(on, only=f"key:{HYBRID}").made == ()

        again = run_pipeline(copied, only=f"key:{HYBRID}")
        assert again.made == (HYBRID,) and fitted_versions(lake, "hmdf") == plain
        app.report(items[-1], "impression", answer_id("ease-20", "champion"))
    last = run_pipeline(copied, only=f"{READ} or {FIT}")
    assert "impressions" in last.made and HYBRID in last.kept, "the setting is off"
