"""Events that are too few to judge a model by: said, and what can be made of them is made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from small_platform import small_settings

from assets.training import fitted_versions
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.assembly import indexed_events
from models.catalogue import CATALOGUE
from models.splits import user_temporal
from models.splits.names import COLD_ITEM, GLOBAL_TEMPORAL, RANDOM, USER_RANDOM, USER_TEMPORAL
from orchestration.checks import enough_to_judge, no_future_training, train_before_test
from orchestration.report import collect_report, render_text, write_html
from orchestration.run import run_pipeline
from serving.app import create_app

Event = tuple[str, str]


def judged(home: Path, events: list[Event]) -> tuple[bool, str]:
    """Whether the events of a value above 0 are enough, and what is said."""
    frame = pl.DataFrame(
        {
            "user_id": pl.Series([user for user, _ in events], dtype=pl.String),
            "item_id": pl.Series([item for _, item in events], dtype=pl.String),
            "value": pl.Series([1.0] * len(events), dtype=pl.Float32),
            "event_timestamp": pl.Series(range(len(events)), dtype=pl.Int64).cast(
                pl.Datetime("us", "UTC")
            ),
        }
    )
    log = indexed_events(frame, sorted(frame["item_id"].unique()), 42)
    split = user_temporal(log.events, len(log.user_ids))
    parts = np.select([split.validation, split.test], ["validation", "test"], "train").tolist()
    whole = frame[log.order.tolist()].with_columns(
        pl.Series(parts, dtype=pl.String).alias(USER_TEMPORAL)
    )
    workspace = Workspace(small_settings(home))
    workspace.lake.write("splits", whole, {}, seed=42)
    found = enough_to_judge(workspace)
    return found.passed, str(found.description)


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([], "no event has a value above 0"),
        ([(f"u{n}", f"i{n % 5}") for n in range(50)], "no user has more than 1"),
        ([(f"u{n % 25}", f"i{n}") for n in range(50)], "no user has more than 2"),
        ([(f"u{n % 5}", "i") for n in range(50)], "all events are on 1 item"),
        ([(f"u{n % 9}", f"i{n % 9}") for n in range(27)], "does again what he did before"),
        # Something to choose by, and nothing to judge the chosen by.
        ([("u", "i"), ("u", "j"), ("u", "i")], "does again what he did before"),
    ],
)
def test_what_is_too_little_is_said_truly(tmp_path: Path, events: list[Event], says: str) -> None:
    passed, told = judged(tmp_path, events)
    assert not passed and says in told
    assert f"There are {len(events)} events" in told


def test_one_user_with_three_events_is_enough(tmp_path: Path) -> None:
    assert judged(tmp_path, [("u", f"i{n}") for n in range(3)])[0]


ITEMS = "sku,name\n" + "".join(f"{n},Film {n}\n" for n in range(101, 126))
MAPPING = """\
interactions: {path: events.csv, user: user, item: item, time: at}
items: {path: items.csv, id: sku, title: name}
"""


def shop(folder: Path, rows: Sequence[str], mapping: str = MAPPING) -> Settings:
    """Settings of a home for a shop of 25 films."""
    (folder / "events.csv").write_text("\n".join(["user,item,at", *rows, ""]))
    (folder / "items.csv").write_text(ITEMS)
    (folder / "mapping.yaml").write_text(mapping)
    return small_settings(
        folder / "home", source="tables", source_path=folder / "mapping.yaml", training_epochs=1
    )


@pytest.mark.slow
def test_one_event_a_user_makes_the_popular_list_that_answers(
    tmp_path: Path, encoders_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = shop(tmp_path, [f"u{n},{101 + n % 7},2021-03-{1 + n % 28:02d}" for n in range(40)])
    summary = run_pipeline(settings)
    lake = Workspace(settings).lake
    assert any(
        "No model can be judged, so that popularity" in said for said in summary.failed_checks
    )
    fitted = {one.name: fitted_versions(lake, one.name) for one in CATALOGUE}
    assert {name for name, versions in fitted.items() if versions} == {"popularity"}
    assert list(fitted["popularity"]) == [USER_TEMPORAL]
    champion = lake.read("champion").row(0, named=True)
    assert champion["version"] == fitted["popularity"][USER_TEMPORAL]
    assert champion["reason"].startswith("popularity answers, not judged: no user has more than 1")
    board = lake.read("leaderboard").row(0, named=True)
    assert (board["model"], board["ndcg_10"], board["n_users"]) == ("popularity", None, 0)
    collected = collect_report(settings)
    write_html(settings, collected, tmp_path / "report.html")
    render_text(collected)
    assert "not judged" in capsys.readouterr().out.replace("\n", " ")
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        listed = client.get("/v1/users/u0/recommendations", params={"k": 3}).json()["items"]
        # Six of the seven films that anyone chose are left to someone who chose the first.
        assert {row["item_id"] for row in listed} < {str(n) for n in range(102, 108)}
        assert client.get("/v1/items/101/similar").json()["items"]
        found = client.post("/v1/search", json={"text": "Film 110", "k": 1}).json()["items"]
        assert found[0]["item_id"] == "110"


@pytest.mark.slow
def test_events_without_times_are_split_at_random_and_no_model_of_order_is_fitted(
    tmp_path: Path, encoders_once: None, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [f"u{u},{101 + (7 * u + 11 * n) % 25}," for u in range(12) for n in range(20)]
    settings = shop(tmp_path, rows, MAPPING.replace("time: at", "time: none"))
    run_pipeline(settings, "+key:champion or +key:leaderboard")
    said = " ".join(capfd.readouterr().err.split())
    assert said.count("The events have no times: the splits by time are left out") == 1
    workspace = Workspace(settings)
    lake = workspace.lake
    splits = lake.read("splits")
    assert {USER_RANDOM, COLD_ITEM, RANDOM} < set(splits.columns)
    assert not {USER_TEMPORAL, GLOBAL_TEMPORAL} & set(splits.columns)
    # Each user's held-out events are as many as with times: a tenth, twice.
    parts = splits.group_by("user_id", USER_RANDOM).len().pivot(USER_RANDOM, index="user_id")
    assert set(parts["test"]) == set(parts["validation"]) == {2}
    for check in (enough_to_judge, no_future_training, train_before_test):
        assert check(workspace).passed
    assert lake.read("leaderboard")["split"].unique(maintain_order=True).to_list() == [
        USER_RANDOM,
        COLD_ITEM,
    ]
    assert not any(fitted_versions(lake, name) for name in ("transition", "recent_popularity"))
    champion = lake.read("champion")["version"].item()
    candidates = {
        fitted_versions(lake, one.name).get(USER_RANDOM) for one in CATALOGUE if one.candidate
    }
    assert champion in candidates and len(candidates) > 5
