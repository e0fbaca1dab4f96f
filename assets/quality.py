"""How good the champion is, as numbers that Dagster plots over its materializations."""

import polars as pl

from assets.datasets import warm_split
from crossmodal.workspace import Workspace

_K = 10


def champion_figures(workspace: Workspace) -> dict[str, float]:
    """NDCG@10 of the champion on the test events, and the share of the items that its lists show.

    A figure that was not measured is left out, so that no plot falls to 0: both where nothing could
    be judged, the share where an older champion stays, whose lists nobody has counted again.
    """
    lake = workspace.lake
    split = warm_split(lake)
    of_popularity = (
        lake.scan("metrics_per_user")
        .filter(split=split, part="test", model="popularity")
        .select(pl.col("ndcg_10").drop_nans().mean())
        .collect()
        .item()
    )
    if of_popularity is None:
        return {}
    champion = lake.read("champion").row(0, named=True)
    shown = (
        lake.scan("metrics")
        .filter(run_id=champion["version"], split=split, segment="all", metric="coverage", k=_K)
        .collect()["value"]
        .to_list()
    )
    # An older champion is no row of the metrics; what it is better by was measured again.
    over = champion["over_popularity"]
    return {
        **({} if over is None else {"ndcg_at_10": of_popularity + over}),
        **({"coverage_at_10": shown[0]} if shown else {}),
    }
