"""What the runs after it do with an online store that somebody emptied, damaged or changed."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from feature_lake import interactions, lists  # type: ignore[import-not-found]
from small_platform import small_settings

from assets.features import feature_registry, newest_event, online_features
from assets.recommendations import online_recommendations
from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.workspace import Workspace
from feature_repo.catalogue import ONLINE_VIEWS
from feature_repo.online_file import OnlineStoreError
from feature_repo.store import online
from orchestration.checks import asset_checks
from orchestration.doctor import examine
from orchestration.lookup import LookupFailedError, recommendations_of

pytestmark = pytest.mark.slow

FEATURES, LISTS = "online_features", "online_recommendations"
CHECKS = [
    check
    for check in asset_checks
    if any(key.asset_key.to_user_string() in (FEATURES, LISTS) for key in check.check_keys)
]


@pytest.fixture(scope="module")
def after_a_run(filled: StatePaths, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The path of a home of which a run filled the online store, and a copy of what was there."""
    place = tmp_path_factory.mktemp("intact")
    home, kept = place / "home", place / "kept"
    shutil.copytree(filled.lake, home / "lake")
    lake = Lake(home / "lake")
    lake.write("interactions/1996-03", interactions(), {})
    users = [f"u{index}" for index in range(30)]
    lake.write("user_recommendations", lists([*users, "new_user"], "1", newest_event(lake)), {})
    assert made_by_a_run(Workspace(small_settings(home))) == {"feature_registry", FEATURES, LISTS}
    shutil.copytree(home, kept)
    return home, kept


@pytest.fixture
def workspace(after_a_run: tuple[Path, Path]) -> Workspace:
    """The home as the run left it, in the same place: the registry names its tables by path."""
    home, kept = after_a_run
    shutil.rmtree(home)
    shutil.copytree(kept, home)
    return Workspace(small_settings(home))


def run(workspace: Workspace) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [feature_registry, online_features, online_recommendations, *CHECKS],
        resources={"workspace": workspace},
        raise_on_error=False,
    )


def made_by_a_run(workspace: Workspace) -> set[str]:
    done = run(workspace)
    assert done.success
    made = {event.asset_key: event.metadata["kept"].value for event in materializations(done)}
    return {key.to_user_string() for key, kept in made.items() if not kept}


def materializations(done: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    events = done.get_asset_materialization_events()
    return [event.step_materialization_data.materialization for event in events]


def sql(*statements: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return change


def cut_in_half(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def scribble(file: Path) -> None:
    """Pages of noise in the middle; the first ones, which name the tables, stay."""
    content = bytearray(file.read_bytes())
    content[20_480:40_960] = bytes(range(256)) * 80
    file.write_bytes(content)


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (Path.unlink, FEATURES),
    "no tables": (sql(*(f"DROP TABLE crossmodal_{view}" for view in ONLINE_VIEWS)), FEATURES),
    "one view emptied": (sql("DELETE FROM crossmodal_user_taste_text"), FEATURES),
    "one key lost": (
        sql(
            "DELETE FROM crossmodal_item_statistics WHERE entity_key = "
            "(SELECT min(entity_key) FROM crossmodal_item_statistics)"
        ),
        FEATURES,
    ),
    "lists lost": (sql("DROP TABLE crossmodal_user_recommendations"), LISTS),
    "cut in half": (cut_in_half, FEATURES),
    "scribbled over": (scribble, FEATURES),
    "no database": (lambda file: file.write_bytes(b"no database" * 500), FEATURES),
}


@pytest.mark.parametrize("harm", HARM)
def test_the_next_run_makes_a_harmed_store_again_and_the_one_after_keeps_it(
    workspace: Workspace, harm: str
) -> None:
    paths = workspace.paths
    known = read(paths)
    change, made = HARM[harm]
    change(paths.online_store)
    assert "the next run makes it again" in doctor(workspace)
    assert made_by_a_run(workspace) == {made}
    assert read(paths) == known
    assert made_by_a_run(workspace) == set()
    assert doctor(workspace) == f"{len(ONLINE_VIEWS)} views, 377 keys, as the last run left it"


def test_a_lost_table_is_one_sentence_with_the_way_out(workspace: Workspace) -> None:
    sql("DROP TABLE crossmodal_user_recommendations")(workspace.paths.online_store)
    with pytest.raises(OnlineStoreError, match=r"online_store\.db cannot .*`crossmodal run` makes"):
        read(workspace.paths)
    with pytest.raises(LookupFailedError, match=r"no such table.*`crossmodal run` makes it again"):
        recommendations_of(workspace.settings, "anybody")


def test_a_value_changed_by_hand_fails_the_check_that_had_passed(workspace: Workspace) -> None:
    paths = workspace.paths
    sql(
        "UPDATE crossmodal_item_statistics SET value = (SELECT max(value) FROM "
        "crossmodal_item_statistics WHERE feature_name = 'item_n_users') "
        "WHERE feature_name = 'item_n_users'"
    )(paths.online_store)
    done = run(workspace)
    assert not done.success
    (failed,) = [each for each in done.get_asset_check_evaluations() if not each.passed]
    assert failed.asset_key == dg.AssetKey(FEATURES)
    assert f"Delete {paths.online_store} and run again." in str(failed.description)
    paths.online_store.unlink()
    assert made_by_a_run(workspace) == {FEATURES}
    assert made_by_a_run(workspace) == set()


def read(paths: StatePaths) -> dict[str, list[Any]]:
    users = {"user_id": [*(f"u{index}" for index in range(30)), "new_user"]}
    return online(paths, users, ["user_recommendations:item_ids", "user_taste_text:text_taste"])


def doctor(workspace: Workspace) -> str:
    return str(examine(workspace.settings)["feast"]["online_store"])
