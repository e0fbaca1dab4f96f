"""What the gate compares: read from the lake, and shown as a table, a page and figures."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from assets.datasets import warm_split
from assets.quality import champion_figures
from crossmodal.lake import Lake
from crossmodal.modalities import LASTING
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from models.gate import Segment, SegmentFigure

GATE = "gate"
"""The lake table of everything that was compared before a candidate was promoted or refused."""

_GATE = {
    "measure": pl.String,
    "segment": pl.String,
    "against": pl.String,
    "users": pl.Int64,
    "candidate": pl.Float64,
    "incumbent": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "decides": pl.Boolean,
    "passed": pl.Boolean,
}
_NDCG, _EVERYONE = "ndcg_10", "all"


def gate_rows(figures: "tuple[SegmentFigure, ...]") -> pl.DataFrame:
    """The figures as the table `gate`; what was not measured is null."""
    frame = pl.DataFrame([asdict(figure) for figure in figures], schema=_GATE)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def segments_in(lake: Lake, user_ids: pl.Series) -> "tuple[Segment, ...]":
    """The segments of the users that judge.

    Of the split that chooses, it reads who trained on what and which items the test events are on;
    of no other split.

    Args:
        lake: with the splits and the tokens.
        user_ids: (n_users,) in the order of every figure.
    """
    from models.gate import segments_of

    events = lake.scan("splits").select("user_id", "item_id", part=warm_split(lake))
    train = events.filter(part="train")
    users = pl.DataFrame({"user_id": user_ids})
    test, counts, warm = pl.collect_all(
        [
            events.filter(part="test"),
            train.join(users.lazy(), on="user_id", how="semi").group_by("user_id").len("events"),
            train.select("item_id").unique(),
        ]
    )
    history = users.join(counts, on="user_id", how="left", maintain_order="left")["events"]
    touching = {
        name: users["user_id"].is_in(on["user_id"].unique().to_list()).to_numpy()
        for name, on in _on_marked_items(lake, warm, test).items()
    }
    return segments_of(history.fill_null(0).to_numpy().astype(np.int64), touching)


def _on_marked_items(lake: Lake, warm: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Test events on cold items, and on items without a modality that some other item has."""
    made = {"cold_items": test.join(warm, on="item_id", how="anti")}
    there = [pl.col(modality).is_not_null() for modality in LASTING]
    items = lake.scan("item_tokens").select("item_id", *there).collect()
    for modality in LASTING:
        having = items.filter(pl.col(modality))
        if len(having):
            made[f"missing_{modality}"] = test.join(having, on="item_id", how="anti")
    return made


def gate_figures(workspace: Workspace) -> Mapping[str, Any]:
    """The champion's quality, overall and by segment, as numbers; and the verdict as a page."""
    lake = workspace.lake
    row, rows = lake.read("champion").row(0, named=True), lake.read(GATE)
    side = "candidate" if row["promoted"] else "incumbent"
    by_segment = rows.filter((pl.col("measure") == _NDCG) & (pl.col("segment") != _EVERYONE))
    return {
        **champion_figures(workspace),
        **{f"ndcg_at_10_{one['segment']}": one[side] for one in by_segment.iter_rows(named=True)},
        "verdict": dg.MetadataValue.md(verdict_page(row, rows)),
    }


def verdict_page(champion: Mapping[str, Any], rows: pl.DataFrame) -> str:
    """The verdict for people, in Markdown.

    Args:
        champion: the row of the table `champion`.
        rows: of the table `gate`.
    """
    outcome = "Promoted" if champion["promoted"] else "Refused"
    if champion["before"] == champion["candidate"]:
        outcome = "Stays champion"
    lines = [
        f"## {outcome}: {champion['candidate']}",
        "",
        f"Champion: {champion['version']}; before: {champion['before'] or 'none'}.",
        "",
        champion["reason"],
    ]
    if len(rows):
        shown = [readable_figure(row) for row in rows.iter_rows(named=True)]
        heads = list(shown[0])
        lines += ["", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        lines += [f"| {' | '.join(one.values())} |" for one in shown]
        lines += ["", _LEGEND]
    return "\n".join(lines)


_LEGEND = (
    "Intervals are 95 % and paired over users; those of the segments that decide hold for all of "
    "them at once. A verdict in brackets decides nothing, such as that of a segment of fewer than "
    "20 users. `changed_by` is the share of "
    "the scores that changes when a modality's vectors are shuffled among the items."
)


def readable_figure(row: Mapping[str, Any], digits: int = 4) -> dict[str, str]:
    """A row of the table `gate` for people: figures rounded, their intervals in brackets."""

    def rounded(value: float | None, sign: str = "") -> str:
        return "" if value is None else f"{value:{sign}.{digits}f}"

    difference = rounded(row["difference"], "+")
    if row["low"] is not None:
        difference += f" [{rounded(row['low'], '+')}, {rounded(row['high'], '+')}]"
    verdict = "passed" if row["passed"] else "failed"
    return {
        "measure": row["measure"],
        "users are": row["segment"],
        "users": f"{row['users']:,}",
        "candidate": rounded(row["candidate"]),
        "compared with": row["against"],
        "its figure": rounded(row["incumbent"]),
        "difference": difference,
        "verdict": verdict if row["decides"] else f"({verdict})",
    }
