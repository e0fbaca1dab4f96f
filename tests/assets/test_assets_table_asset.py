"""An asset of one table: kept while it is made from the same, and open about what it reads."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.declared import UndeclaredTableError
from assets.table_asset import Making, table_asset
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

ROWS = pl.DataFrame({"item_id": ["a", "b"]})


@table_asset(inputs=["source"], group="tests", kinds={"polars"}, code_version="1")
def honest(making: Making) -> dict[str, int]:
    """A copy of its input."""
    making.lake.write("honest", making.lake.read("source"), making.stamp)
    return {"copied": 1}


@table_asset(group="tests", kinds={"polars"}, code_version="1")
def forgetful(making: Making) -> None:
    """A copy of a table that it does not declare."""
    making.lake.write("forgetful", making.lake.read("source"), making.stamp)


@table_asset(inputs=["source"], group="tests", kinds={"polars"}, code_version="1")
def careless(making: Making) -> None:
    """Writes into the table of another asset."""
    making.lake.write("honest", making.lake.read("source"), making.stamp)


@table_asset(group="tests", kinds={"polars"}, code_version="1")
def curious(making: Making) -> None:
    """Asks only whether there is another table."""
    making.lake.write("curious", ROWS.head(int(making.lake.exists("source"))), making.stamp)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A lake with one table."""
    workspace = Workspace(Settings(home=tmp_path))
    workspace.lake.write("source", ROWS, {"by": "hand"})
    return workspace


def made(workspace: Workspace, asset: dg.AssetsDefinition) -> bool:
    """Materializes the asset; says whether its table was made and not kept."""
    done = dg.materialize([asset], resources={"workspace": workspace})
    (event,) = done.get_asset_materialization_events()
    return not event.materialization.metadata["kept"].value


def test_a_table_is_made_when_its_input_changes_and_kept_while_it_does_not(
    workspace: Workspace,
) -> None:
    assert made(workspace, honest) and not made(workspace, honest)
    workspace.lake.write("source", ROWS.head(1), {"by": "hand"})
    assert made(workspace, honest)
    assert workspace.lake.read("honest").height == 1


@pytest.mark.parametrize("asset", [forgetful, careless, curious])
def test_a_table_that_is_not_declared_cannot_be_used(
    workspace: Workspace, asset: dg.AssetsDefinition
) -> None:
    name = asset.key.to_user_string()
    with pytest.raises(UndeclaredTableError, match=f"The asset {name} uses the table .* add it"):
        made(workspace, asset)
    assert not workspace.lake.exists(name)


def test_a_choice_that_changes_makes_it_again_unless_it_is_settled(workspace: Workspace) -> None:
    chosen = {"k": 1, "settled": False}

    @table_asset(
        choices=lambda workspace: {"k": chosen["k"]},
        settled=lambda workspace: bool(chosen["settled"]),
        group="tests",
        kinds={"polars"},
        code_version="1",
    )
    def chosen_rows(making: Making) -> None:
        making.lake.write("chosen_rows", ROWS.head(making.choices["k"]), making.stamp)

    assert made(workspace, chosen_rows) and not made(workspace, chosen_rows)
    chosen["k"] = 2
    assert made(workspace, chosen_rows) and workspace.lake.read("chosen_rows").height == 2
    chosen.update(k=1, settled=True)
    assert not made(workspace, chosen_rows)


def test_what_is_kept_next_to_the_table_and_gone_makes_it_again(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "model"

    @table_asset(
        intact=lambda workspace: folder.exists(), group="tests", kinds={"polars"}, code_version="1"
    )
    def with_folder(making: Making) -> None:
        folder.mkdir(exist_ok=True)
        making.lake.write("with_folder", ROWS, making.stamp)

    assert made(workspace, with_folder) and not made(workspace, with_folder)
    folder.rmdir()
    assert made(workspace, with_folder)


def test_a_second_table_that_is_of_something_else_makes_both_again(workspace: Workspace) -> None:
    broken_off = False

    @table_asset(
        inputs=["source"],
        also_writes=["halves"],
        group="tests",
        kinds={"polars"},
        code_version="1",
    )
    def wholes(making: Making) -> None:
        rows = making.lake.read("source")
        making.lake.write("halves", rows.head(rows.height // 2), making.stamp)
        if broken_off:
            raise KeyboardInterrupt
        making.lake.write("wholes", rows, making.stamp)

    assert made(workspace, wholes) and not made(workspace, wholes)
    workspace.lake.write("source", ROWS.clear(), {})
    broken_off = True
    with pytest.raises(KeyboardInterrupt):
        made(workspace, wholes)
    broken_off = False
    workspace.lake.write("source", ROWS, {})
    assert made(workspace, wholes)
    assert workspace.lake.read("halves").height == 1
