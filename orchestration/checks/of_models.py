"""Checks of the champion, of the version that answers, and of its lists."""

from dataclasses import fields

from assets.champion_rows import RIVALS
from assets.prequential import last_measured
from crossmodal.workspace import Workspace
from orchestration.checks.finding import Finding, finding


def champion_not_below_popularity(workspace: Workspace) -> Finding:
    """The model that answers is at least as good as the popular list."""
    row = workspace.lake.read("champion").row(0, named=True)
    if row["over_popularity"] is None:
        return finding(
            True, f"{row['version']} was not judged: nothing says whether it is below popularity."
        )
    return finding(
        row["over_popularity_high"] >= 0,
        f"{row['version']} has {row['over_popularity']:+.4f} NDCG@10 over popularity "
        f"({row['over_popularity_low']:+.4f} to {row['over_popularity_high']:+.4f}).",
    )


def champion_not_beaten(workspace: Workspace) -> Finding:
    """No model of the run is better than the champion on the test events."""
    from models.evaluation import Comparison
    from models.promotion import better, is_better

    rivals = workspace.lake.read(RIVALS)
    names = {field.name for field in fields(Comparison)}
    comparisons = {
        row["model"]: Comparison(**{name: value for name, value in row.items() if name in names})
        for row in rivals.iter_rows(named=True)
    }
    version = workspace.lake.read("champion")["version"].item()
    beating = [is_better(name, comparisons[name]) for name in better(comparisons)]
    if not beating:
        return finding(
            True,
            f"None of {len(comparisons)} other models is better than {version} on the test events.",
        )
    return finding(
        False,
        f"On the test events {version} is not the best: {'; '.join(beating)}. It was chosen by "
        "validation, and answers all the same, since to choose by the test events would make "
        "their figures worth nothing.",
    )


def next_events_not_below_popularity(workspace: Workspace) -> Finding:
    """The version that answered ranked the events after its lists no worse than popularity."""
    last = last_measured(workspace.lake)
    if last is None:
        return finding(True, "No version was judged by newer events yet.")
    return finding(not last.worse, last.said)


def refit_is_sound(workspace: Workspace) -> Finding:
    """The version that answers is the one fitted to everything."""
    row = workspace.lake.read("serving_model").row(0, named=True)
    return finding(not row["fault"], row["reason"])


def recommended_items_exist(workspace: Workspace) -> Finding:
    """Every recommended item is in the catalogue."""
    lists = workspace.lake.scan("recommendations")
    gone = lists.join(workspace.lake.scan("items"), on="item_id", how="anti").collect()
    return finding(
        gone.is_empty(), f"{gone.height:,} recommendations are of items that the catalogue lacks."
    )
