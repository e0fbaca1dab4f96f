"""What the tables of the evaluation say of one run, and that they agree with each other."""

import json
import re
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from small_platform import small_settings

from assets.datasets import split_data
from assets.evaluation import BASELINES
from assets.masking import drawn_users
from assets.registry import open_registry
from assets.training import fitted_versions
from crossmodal.lake import Lake
from crossmodal.modalities import MODALITIES
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.catalogue import CATALOGUE
from models.data import Interactions, TokenTable
from models.protocol import Maskable
from models.splits.names import GLOBAL_TEMPORAL, RANKED_SPLITS, USER_TEMPORAL, WARM_AND_COLD
from orchestration.checks import no_future_training, train_before_test
from orchestration.instance import open_instance
from orchestration.report import collect_report, render_text, write_html
from orchestration.run import RunSummary, run_pipeline

Finished = tuple[Settings, RunSummary]
pytestmark = pytest.mark.slow

KEYS = ["model", "split"]
CONTENT = {f"content_{modality}" for modality in MODALITIES}


@pytest.fixture(scope="module")
def lake(finished: Finished) -> Lake:
    """The tables of a finished run."""
    return Workspace(finished[0]).lake


@pytest.fixture(scope="module")
def ndcg(lake: Lake) -> pl.DataFrame:
    """NDCG@10 of everyone: model, split, value."""
    rows = lake.read("metrics").filter(
        (pl.col("metric") == "ndcg") & (pl.col("k") == 10) & (pl.col("segment") == "all")
    )
    return rows.select(*KEYS, "value", "ci_low", "ci_high", "n_users")


def subset(lake: Lake, *kept: str) -> pl.DataFrame:
    """The value of each model with just these of its modalities."""
    rows = lake.read("modality_subsets").filter(pl.col("modalities") == pl.lit([*kept]))
    return rows.select(*KEYS, kept_value="value")


def everything(lake: Lake) -> pl.DataFrame:
    """The value of each model with all modalities that it reads."""
    rows = lake.read("modality_subsets").sort(pl.col("modalities").list.len(), descending=True)
    return rows.unique(KEYS, keep="first").select(*KEYS, "modalities", whole="value")


def worth(lake: Lake, measure: str) -> pl.DataFrame:
    return lake.read("modality_worth").filter(pl.col("measure") == measure)


def equal(frame: pl.DataFrame, a: str, b: str) -> bool:
    assert not frame.is_empty()
    return np.allclose(frame[a].to_numpy(), frame[b].to_numpy(), rtol=0, atol=1e-9)


def test_one_cut_in_time_has_everything_known_before_the_first_test_event(lake: Lake) -> None:
    splits = lake.read("splits")
    test = splits.filter(pl.col(GLOBAL_TEMPORAL) == "test")["event_timestamp"]
    known = splits.filter(pl.col(GLOBAL_TEMPORAL) != "test")["event_timestamp"]
    assert 0.05 < len(test) / len(splits) <= 0.1
    assert known.max() < test.min()


def test_what_is_written_after_the_cut_is_not_read(copied: Settings) -> None:
    lake = Workspace(copied).lake
    last = f"interactions/{lake.partitions('interactions')[-1]}"
    month, version = lake.read(last), lake.version(last)
    early = lake.read("splits").sort("event_timestamp").row(0, named=True)
    said = lake.read("review_texts")["text"][0]
    tag = (
        month.sort("event_timestamp")
        .tail(1)
        .with_columns(
            user_id=pl.lit(early["user_id"]),
            item_id=pl.lit(early["item_id"]),
            value=pl.lit(0, pl.Float32),
            text=pl.lit(said),
        )
    )
    before = [len(_reviews(lake, split).items) for split in (USER_TEMPORAL, GLOBAL_TEMPORAL)]
    lake.write(last, pl.concat([month, tag]), version.stamp)
    after = [len(_reviews(lake, split).items) for split in (USER_TEMPORAL, GLOBAL_TEMPORAL)]
    assert [more - less for more, less in zip(after, before, strict=True)] == [1, 0]


def _reviews(lake: Lake, split: str) -> TokenTable:
    return split_data(lake, split).dataset.tokens["reviews"]


@pytest.mark.parametrize(
    ("split", "check"),
    [(USER_TEMPORAL, no_future_training), (GLOBAL_TEMPORAL, train_before_test)],
)
def test_a_split_that_knows_the_future_is_refused(copied: Settings, split: str, check) -> None:
    workspace = Workspace(copied)
    assert check(workspace).passed
    turned = {"train": "test", "test": "train", "validation": "validation"}
    version = workspace.lake.version("splits")
    splits = workspace.lake.read("splits").with_columns(pl.col(split).replace_strict(turned))
    workspace.lake.write("splits", splits, version.stamp, **version.summary)
    found = check(workspace)
    assert not found.passed
    assert "split again" in found.description


def test_of_many_users_some_judge_and_the_checks_of_a_run_pass(copied: Settings) -> None:
    settings = copied.model_copy(update={"judging_users": 12})
    assert "splits" in run_pipeline(settings, "key:splits").made
    workspace = Workspace(settings)
    splits = workspace.lake.read("splits")
    for split in RANKED_SPLITS:
        users = splits.group_by(split).agg(pl.col("user_id").n_unique())
        counts = dict(users.iter_rows())
        assert counts["test"] == 12 and counts["validation"] == 12 and counts["unused"] > 0
    assert no_future_training(workspace).passed and train_before_test(workspace).passed
    known = split_data(workspace.lake, GLOBAL_TEMPORAL).dataset
    unused = splits.filter(pl.col(GLOBAL_TEMPORAL) == "unused").height
    parts = len(known.train) + len(known.validation)
    assert parts + unused + splits.filter(pl.col(GLOBAL_TEMPORAL) == "test").height == len(splits)


def test_models_are_reported_on_the_splits_that_they_are_fitted_on(ndcg: pl.DataFrame) -> None:
    known = set(ndcg.filter(pl.col("split") == GLOBAL_TEMPORAL)["model"])
    assert {"random", "popularity", "item_knn", "ease", "transition", "als"} <= known
    assert "hmdf" in known, "this home was fully evaluated"
    assert not known & {"cold_start_map", "mmnn", "mmnn_gated_attention", "content_text"}
    assert set(ndcg["split"]) == set(RANKED_SPLITS)


def test_every_model_stands_beside_every_baseline_of_its_split(
    lake: Lake, ndcg: pl.DataFrame
) -> None:
    found = lake.read("comparisons")
    expected = {
        (split, model, baseline)
        for split, models in ndcg.group_by("split").agg("model").iter_rows()
        for model in models
        for baseline in BASELINES
        if model != baseline
    }
    assert set(found.select("split", "model", "baseline").iter_rows()) == expected
    assert found.height == len(expected)
    own = found.join(ndcg.select(*KEYS, own="value"), on=KEYS)
    both = own.join(
        ndcg.select("split", baseline="model", other="value"), on=["split", "baseline"]
    ).with_columns(subtracted=pl.col("own") - pl.col("other"))
    assert equal(both, "difference", "subtracted")
    divided = both.filter(pl.col("other") > 0).with_columns(times=pl.col("own") / pl.col("other"))
    assert equal(divided, "ratio", "times")
    assert both.filter(pl.col("other") == 0)["ratio"].is_null().all()


def test_looking_at_many_models_makes_no_p_smaller(lake: Lake) -> None:
    found = lake.read("comparisons")
    assert (found["p_holm"] >= found["p"]).all()
    assert found["p_holm"].is_between(0, 1).all()
    for _, table in found.group_by("split", "baseline"):
        least = table.sort("p").row(0, named=True)
        assert least["p_holm"] == pytest.approx(min(1.0, least["p"] * table.height))


def test_the_leaderboard_ranks_what_the_metrics_say(lake: Lake, ndcg: pl.DataFrame) -> None:
    board = lake.read("leaderboard")
    assert board["split"].unique(maintain_order=True).to_list() == list(RANKED_SPLITS)
    assert board.height == ndcg.height
    for (split,), rows in board.group_by("split"):
        best = ndcg.filter(pl.col("split") == split).sort("value", descending=True)
        first = rows.row(0, named=True)
        assert first["rank"] == 1
        assert first["ndcg_10"] == best["value"][0]
        assert rows["ndcg_10"].is_sorted(descending=True)
    figures = board.join(ndcg, on=KEYS)
    assert figures["ndcg_10_low"].equals(figures["ci_low"].rename("ndcg_10_low"))
    assert (board["fit_s"] >= 0).all()
    assert board["coverage_10"].is_between(0, 1).all()


def test_the_leaderboard_holds_each_model_beside_the_best_baseline(lake: Lake) -> None:
    board = lake.read("leaderboard")
    for _, rows in board.group_by("split"):
        best = rows.filter(pl.col("model").is_in(BASELINES))["ndcg_10"].max()
        baseline = rows.filter(pl.col("model") == pl.col("best_baseline"))
        assert baseline["ndcg_10"].to_list() == [best]
        assert baseline["difference"].is_null().all()
        others = rows.filter(pl.col("model") != pl.col("best_baseline"))
        assert equal(others.with_columns(less=pl.col("ndcg_10") - best), "difference", "less")
        assert others["p_holm"].is_not_null().all()


def test_the_web_ui_shows_the_leaderboard_and_what_was_asked(finished: Finished) -> None:
    paths = Workspace(finished[0]).paths
    with open_instance(paths) as instance:
        board, ablation, curves = (
            instance.get_latest_materialization_event(dg.AssetKey(name)).asset_materialization
            for name in ("leaderboard", "modality_ablation", "modality_robustness")
        )
    columns = [column.name for column in board.metadata["headline"].schema.columns]
    assert columns[:3] == ["split", "model", "NDCG@10"]
    assert "data:image/png" in board.metadata["leaderboard"].md_str
    for shown, picture in ((ablation, "modality_worth"), (curves, "modality_robustness")):
        assert "data:image/png" in shown.metadata[picture].md_str
        assert shown.metadata["most_users"].value == finished[0].ablation_users


def test_every_model_that_can_be_masked_is_ablated(finished: Finished, lake: Lake) -> None:
    registry = open_registry(Workspace(finished[0]))
    expected = {
        (entry.name, split)
        for entry in CATALOGUE
        for split, version in fitted_versions(lake, entry.name).items()
        if split in WARM_AND_COLD and isinstance(registry.load(version), Maskable)
    }
    assert {("mmnn", USER_TEMPORAL), ("cold_start_map", "cold-item")} <= expected
    for table in ("modality_subsets", "modality_worth", "modality_robustness"):
        assert set(lake.read(table).select(KEYS).iter_rows()) == expected
    mmnn = lake.read("modality_subsets").filter(pl.col("model") == "mmnn")
    assert mmnn.height == len(WARM_AND_COLD) * 2**5
    assert mmnn.unique(["split", "modalities"]).height == mmnn.height


def test_with_all_its_modalities_a_model_is_what_the_metrics_say(
    lake: Lake, ndcg: pl.DataFrame
) -> None:
    assert equal(everything(lake).join(ndcg, on=KEYS), "whole", "value")


def test_shapley_values_share_out_what_all_modalities_add(lake: Lake) -> None:
    shared = worth(lake, "shapley").group_by(KEYS).agg(pl.col("value").sum())
    added = everything(lake).join(subset(lake), on=KEYS).join(shared, on=KEYS)
    assert added.height == everything(lake).height
    assert equal(added.with_columns(added=pl.col("whole") - pl.col("kept_value")), "value", "added")


def test_what_is_left_out_and_what_is_alone_agree_with_the_subsets(lake: Lake) -> None:
    whole, subsets = everything(lake), lake.read("modality_subsets")
    rest = (
        worth(lake, "left_out")
        .join(whole, on=KEYS)
        .with_columns(
            kept=pl.col("modalities").list.set_difference(pl.concat_list("modality")).list.sort()
        )
    )
    kept = subsets.select(*KEYS, kept=pl.col("modalities").list.sort(), kept_value=pl.col("value"))
    both = rest.join(kept, on=[*KEYS, "kept"])
    assert both.height == rest.height
    assert equal(both.with_columns(lost=pl.col("whole") - pl.col("kept_value")), "value", "lost")
    alone = worth(lake, "alone").with_columns(kept=pl.concat_list("modality"))
    assert equal(alone.join(kept, on=[*KEYS, "kept"]), "value", "kept_value")


def test_tokens_of_other_items_are_not_the_tokens_of_the_item(lake: Lake) -> None:
    dealt = worth(lake, "permuted").filter(pl.col("model") == "cold_start_map")
    assert (dealt.filter(pl.col("modality").is_in(["text", "image", "audio"]))["value"] != 0).all()
    # The map reads no reviews: whose they are is all the same to it.
    assert (dealt.filter(pl.col("modality") == "reviews")["value"] == 0).all()


def test_intervals_of_the_ablation_hold_their_values(lake: Lake) -> None:
    for table in ("modality_subsets", "modality_worth", "modality_robustness"):
        rows = lake.read(table)
        assert (rows["ci_low"] <= rows["value"] + 1e-9).all()
        assert (rows["value"] <= rows["ci_high"] + 1e-9).all()


def test_curves_run_from_all_items_to_none(lake: Lake) -> None:
    curves = lake.read("modality_robustness")
    first = curves.filter(pl.col("share") == 0).join(everything(lake), on=KEYS)
    assert equal(first, "value", "whole")
    last = curves.filter(pl.col("share") == 1).join(
        worth(lake, "left_out").select(*KEYS, "modality", lost="value"), on=[*KEYS, "modality"]
    )
    ends = last.join(everything(lake), on=KEYS)
    assert equal(ends.with_columns(left=pl.col("whole") - pl.col("lost")), "value", "left")


def test_ties_in_the_platforms_own_order_give_the_figures_of_the_metrics(
    finished: Finished, lake: Lake, ndcg: pl.DataFrame
) -> None:
    found = lake.read("tie_sensitivity").join(ndcg, on=KEYS, suffix="_measured")
    assert set(found["model"]) == {"popularity", "item_knn", "transition"}
    assert (found["seeds"].list.first() == finished[0].seed).all()
    assert (found["seeds"].list.len() == 5).all()
    assert equal(found.with_columns(own=pl.col("values").list.first()), "own", "value")
    spread = pl.col("values").list.max() - pl.col("values").list.min()
    assert equal(found.with_columns(widest=spread), "spread", "widest")


def test_fewer_users_are_asked_where_fewer_are_allowed(copied: Settings) -> None:
    settings = small_settings(copied.home, ablation_users=9)
    only = "key:modality_ablation or key:modality_robustness or key:leaderboard"
    summary = run_pipeline(settings, only=only)
    assert set(summary.made) == {"modality_ablation", "modality_robustness"}
    lake = Workspace(settings).lake
    for table in ("modality_subsets", "modality_worth", "modality_robustness"):
        assert 0 < lake.read(table)["n_users"].max() <= 9


def test_by_default_the_best_model_of_a_split_and_its_best_network_are_asked(
    copied: Settings,
) -> None:
    lake = Workspace(copied).lake
    # A table of all models has those of the best, and stays.
    assert run_pipeline(copied, only="key:modality_ablation").made == ()
    lake.path("modality_worth").unlink()
    run_pipeline(copied, only="key:modality_ablation")
    asked = lake.read("modality_worth").select("split", "model").unique()
    judged = lake.read("metrics_per_user").filter(pl.col("part") == "validation")
    quality = judged.group_by("split", "model").agg(pl.col("ndcg_10").mean())
    everyone = Workspace(copied).lake.read("metrics_per_user")["split"].unique()
    assert set(asked["split"]) == set(everyone) & set(WARM_AND_COLD)
    for (split,), own in asked.partition_by("split", as_dict=True).items():
        ranked = quality.filter(pl.col("split") == split).sort("ndcg_10", descending=True)["model"]
        masked = [name for name in ranked if name in {"mmnn", "hmdf", "cold_start_map"} | CONTENT]
        networks = [name for name in masked[1:] if name in ("mmnn", "hmdf")]
        assert set(own["model"]) == {masked[0], *networks[:1]}


def test_users_are_drawn_by_the_seed() -> None:
    n = 400
    events = Interactions(
        np.repeat(np.arange(n // 2, dtype=np.int32), 2),
        np.zeros(n, np.int32),
        np.ones(n, np.float32),
        np.arange(n, dtype=np.int64),
    )
    drawn = drawn_users(events, 50, 1)
    assert len(np.unique(drawn.users)) == 50 and len(drawn) == 100
    assert np.array_equal(drawn.users, drawn_users(events, 50, 1).users)
    assert not np.array_equal(drawn.users, drawn_users(events, 50, 2).users)
    assert len(drawn_users(events, n, 1)) == n


def test_the_report_shows_leaderboard_ablation_and_robustness(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, _ = finished

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    collected = json.loads(json.dumps(collect_report(settings)), parse_constant=refuse)
    board = collected["leaderboard"]
    write_html(settings, collected, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    pictures = " ".join(re.findall(r'<img class="wide" alt="([^"]+)" src="data:image/png', page))
    for title in ("less that of the best baseline", "Shapley", "loses a modality"):
        assert title in pictures
    assert f"{board[0]['ndcg_10']:.4f} [{board[0]['ndcg_10_low']:.4f}" in page
    render_text(collected)
    shown = capsys.readouterr().out
    for split in RANKED_SPLITS:
        assert f"Leaderboard, {split}" in shown
    assert "What each modality is worth, cold-item" in shown
