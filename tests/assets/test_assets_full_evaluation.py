"""What a full evaluation adds, and that it outlasts runs which ask for less."""

from pathlib import Path

import polars as pl

from assets.full_evaluation import choices_outlasting, splits_judged
from assets.stage import stamp_of
from assets.table_asset import Choices
from crossmodal.lake import Lake
from crossmodal.settings import Evaluation
from models.catalogue import CATALOGUE, entry_of
from models.splits.names import GLOBAL_TEMPORAL, USER_TEMPORAL


def test_what_trains_weights_is_fitted_on_global_temporal_by_a_full_evaluation_alone() -> None:
    brief = {entry.name for entry in CATALOGUE if GLOBAL_TEMPORAL in splits_judged(entry, "brief")}
    full = {entry.name for entry in CATALOGUE if GLOBAL_TEMPORAL in splits_judged(entry, "full")}
    assert {"popularity", "ease", "transition"} <= brief
    assert full - brief == {"hmdf", "transformer", "gat"}
    assert splits_judged(entry_of("hmdf"), "brief") == (USER_TEMPORAL,)


def test_a_full_table_stays_until_its_inputs_or_its_code_change(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    def of(evaluation: Evaluation) -> Choices:
        return {"evaluation": evaluation}

    def chosen(evaluation: Evaluation, code: str = "1") -> Evaluation:
        found = choices_outlasting(lake, "worth", code, ["events"], of, evaluation)
        asked: Evaluation = found["evaluation"]
        return asked

    lake.write("events", pl.DataFrame({"user": ["a"]}), {})
    assert (chosen("brief"), chosen("full")) == ("brief", "full")
    stamp = {"code": "1", **stamp_of(lake, ["events"], of("full"))}
    lake.write("worth", pl.DataFrame({"value": [1.0]}), stamp)
    assert (chosen("brief"), chosen("full")) == ("full", "full")
    assert chosen("brief", code="2") == "brief", "other code makes it again in any case"
    lake.write("events", pl.DataFrame({"user": ["a", "b"]}), {})
    assert (chosen("brief"), chosen("full")) == ("brief", "full")
