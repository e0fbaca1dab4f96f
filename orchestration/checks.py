"""What must hold of a table. A blocking check stops what would be built upon it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import polars as pl

from assets.alignment import TOWERS
from assets.champion import RIVALS
from assets.datasets import read_log, splits_in, warm_split
from assets.features import RECOMMENDATIONS_VIEW, newest_event
from assets.judging import UNJUDGED, judging
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.assembly import matrix
from models.data import MODALITIES, Interactions
from models.splits import LeakError, assert_no_future_training, assert_train_before_test
from models.splits.names import GLOBAL_TEMPORAL
from orchestration.check_memory import remembered

_NORM_TOLERANCE = 1e-3
_DEAD_COSINE = 0.999
_DEAD_MINIMUM_ROWS = 10
_CONSISTENCY_KEYS = 200
_CLOCK_SKEW = timedelta(days=1)

Finding = dg.AssetCheckResult


def _check(
    asset: str,
    name: str,
    description: str,
    test: Callable[[Workspace], Finding],
    further: tuple[str, ...] = (),
    blocking: bool = True,
    state: Callable[[Workspace], str] = lambda workspace: "",
) -> dg.AssetChecksDefinition:
    """A check of an asset.

    Args:
        asset: that it is of.
        name: of the check.
        description: for the web UI.
        test: finds out.
        further: the other tables that it reads.
        blocking: whether nothing is built upon what fails it.
        state: which state of a file, that is no table, it reads.
    """

    @dg.asset_check(asset=asset, name=name, description=description, blocking=blocking)
    def check(workspace: dg.ResourceParam[Workspace]) -> Finding:
        return remembered(workspace, asset, name, test, further, state(workspace))

    return check


def reject_share(workspace: Workspace) -> Finding:
    """Some event and few enough rows of the source were usable; names the commonest reason."""
    summary = workspace.lake.version("rejects").summary
    limit = workspace.settings.max_reject_share
    reasons = sorted(summary["by_reason"], key=lambda row: -row["rows"])
    counted = [f"{row['reason']} ({row['rows']:,} rows)" for row in reasons[:3]]
    most = f"; most often {', '.join(counted)}" if counted else ""
    if reasons:
        first = next(row for row in summary["first"] if row["reason"] == reasons[0]["reason"])
        most += f", such as row {first['row']:,} of {first['source_file']}: {first['detail']}"
    if not summary["events"]:
        why = f"100 % of them were rejected{most}" if reasons else "the file holds no row"
        return _finding(False, f"The source has no usable event: {why}.")
    return _finding(
        summary["share"] <= limit,
        f"{summary['share']:.2%} of the source's rows were rejected (CROSSMODAL_MAX_REJECT_SHARE "
        f"allows {limit:.2%}){most}.",
    )


def schema(table: str, contract: str) -> Callable[[Workspace], Finding]:
    """The table has the columns, types, ranges and unique keys of the contract."""

    def test(workspace: Workspace) -> Finding:
        from pandera.errors import SchemaErrors

        from orchestration.schemas import CONTRACTS

        lake = workspace.lake
        frame = lake.scan_partitions(table) if lake.partitions(table) else lake.scan(table)
        try:
            CONTRACTS[contract].validate(frame.collect(), lazy=True)
        except SchemaErrors as error:
            first = error.failure_cases.row(0, named=True)
            return _finding(
                False,
                f"{table}: column {first['column']} fails {first['check']} "
                f"(first case {first['failure_case']!r}).",
            )
        return _finding(True, f"{table} has the columns, types and keys of the contract.")

    return test


def known_items(workspace: Workspace) -> Finding:
    """Every event is about an item of the catalogue."""
    events = workspace.lake.scan_partitions("interactions")
    unknown = events.join(workspace.lake.scan("items"), on="item_id", how="anti").collect()
    return _finding(
        unknown.is_empty(), f"{unknown.height:,} events are about items that the catalogue lacks."
    )


def times_not_in_future(workspace: Workspace) -> Finding:
    """No event is later than this machine's clock, with a day for time zones and clocks."""
    newest = newest_event(workspace.lake)
    return _finding(
        newest <= datetime.now(UTC) + _CLOCK_SKEW,
        f"The newest event is of {newest:%Y-%m-%d %H:%M}.",
    )


def broken_share(workspace: Workspace) -> Finding:
    """Few enough files of each modality are broken; names the commonest reason and three files."""
    limit = workspace.settings.max_broken_share
    files = workspace.lake.scan("media").filter(pl.col("status") != "missing")
    shares = files.group_by("modality").agg(n=pl.len(), broken=(pl.col("status") == "broken").sum())
    said, passed = [], True
    for modality, n, broken in shares.sort("modality").collect().iter_rows():
        said.append(f"{broken:,} of {n:,} {modality} files are broken")
        if broken > limit * n:
            passed = False
            said[-1] += f" ({_why_broken(files, modality)})"
    return _finding(
        passed,
        f"{'; '.join(said) or 'There are no media files'}. CROSSMODAL_MAX_BROKEN_SHARE allows "
        f"{limit:.0%}{'' if passed else ': mend the files, or raise it to go on without them'}.",
    )


def _why_broken(files: pl.LazyFrame, modality: str) -> str:
    broken = files.filter((pl.col("modality") == modality) & (pl.col("status") == "broken"))
    # Reasons that differ only in their figures are one.
    kind = pl.col("error").str.replace_all(r"\d+", "#")
    counted = broken.group_by(kind=kind).agg("error", "uri", n=pl.len())
    most = counted.sort("n", "kind", descending=[True, False]).first().collect().row(0, named=True)
    uris = sorted(most["uri"])[:3]
    return f"most often: {most['error'][0].rstrip('.')}, as in {', '.join(uris)}"


def placeholders(workspace: Workspace) -> Finding:
    """No file stands for so many items that it can be of none."""
    found = [
        f"{row['uri']} is the {row['modality']} of {row['items']:,} of {row['of']:,} items"
        for row in workspace.lake.version("media").summary["placeholders"]
    ]
    share = workspace.settings.max_repeated_share
    return _finding(
        not found,
        f"{'; '.join(found)}: a placeholder, which counts as missing "
        f"(CROSSMODAL_MAX_REPEATED_SHARE allows {share:.0%})."
        if found
        else "No file stands for many items.",
    )


def tells_items_apart(tower: str) -> Callable[[Workspace], Finding]:
    """Not every item has the same vector."""

    def test(workspace: Workspace) -> Finding:
        same = workspace.lake.version(f"{tower}_alignment").summary["items_all_the_same"]
        return _finding(
            not same,
            f"The {tower} of all {same:,} items that have it gives the same vector, which tells "
            "none from another: it is left out as if no item had it."
            if same
            else f"The {tower} of items differs.",
        )

    return test


def unit_norm(modality: str) -> Callable[[Workspace], Finding]:
    """Every vector of the shared space has length 1."""

    def test(workspace: Workspace) -> Finding:
        vectors = _vectors(workspace.lake, modality)
        off = int((np.abs(np.linalg.norm(vectors, axis=1) - 1) > _NORM_TOLERANCE).sum())
        return _finding(
            off == 0, f"{off:,} of {len(vectors):,} vectors have a length other than 1."
        )

    return test


def alive(modality: str) -> Callable[[Workspace], Finding]:
    """The vectors of a modality differ from each other."""

    def test(workspace: Workspace) -> Finding:
        vectors = _vectors(workspace.lake, modality)
        if len(vectors) < _DEAD_MINIMUM_ROWS:
            return _finding(True, f"{len(vectors)} vectors are too few to judge.")
        closeness = float(np.square(vectors.mean(axis=0)).sum())
        return _finding(
            closeness < _DEAD_COSINE, f"The mean cosine between two vectors is {closeness:.3f}."
        )

    return test


def enough_to_judge(workspace: Workspace) -> Finding:
    """Some user has events to learn from, to choose by and to judge by."""
    lake = workspace.lake
    found = judging(lake.read("splits"), warm_split(lake))
    if not found.fault:
        return _finding(True, f"{found.held}.")
    return _finding(
        False, f"{found.held}. No model can be judged, so that {UNJUDGED} answers: {found.fault}."
    )


def no_future_training(workspace: Workspace) -> Finding:
    """No event that a model knows of a user is later than the user's test events."""
    return _temporal(
        workspace,
        warm_split(workspace.lake),
        assert_no_future_training,
        "Every user's training events come before the test events.",
    )


def train_before_test(workspace: Workspace) -> Finding:
    """No event that a model knows of anyone is at or after the first test event."""
    return _temporal(
        workspace,
        GLOBAL_TEMPORAL,
        assert_train_before_test,
        "All training events come before all test events.",
    )


def _temporal(
    workspace: Workspace,
    split: str,
    require: Callable[[Interactions, Interactions], None],
    said: str,
) -> Finding:
    """Validation events are known to a model that is tested, as those of the training are."""
    if not splits_in(workspace.lake, (split,)):
        return _finding(True, f"There is no {split}, since the events have no times.")
    log, splits = read_log(workspace.lake)
    test = splits[split].to_numpy() == "test"
    try:
        require(log.events.take(~test), log.events.take(test))
    except LeakError as error:
        return _finding(False, str(error))
    return _finding(True, said)


def features_agree(workspace: Workspace) -> Finding:
    """The same random keys of the features read the same online and offline."""
    from feature_repo.catalogue import ONLINE_VIEWS

    return _stores_agree(workspace, [name for name in ONLINE_VIEWS if name != RECOMMENDATIONS_VIEW])


def lists_agree(workspace: Workspace) -> Finding:
    """The same random users' lists read the same online and offline."""
    return _stores_agree(workspace, [RECOMMENDATIONS_VIEW])


def online_file(workspace: Workspace) -> str:
    """Which state of the online store's file is judged: anyone may write it by Feast's commands."""
    path = workspace.paths.online_store
    if not path.is_file():
        return ""
    facts = path.stat()
    return f" {facts.st_size} {facts.st_mtime_ns}"


def _stores_agree(workspace: Workspace, views: Sequence[str]) -> Finding:
    from feature_repo.consistency import consistency

    as_of = newest_event(workspace.lake) + timedelta(seconds=1)
    report = consistency(
        workspace.paths, views, as_of, n_keys=_CONSISTENCY_KEYS, seed=workspace.settings.seed
    )
    return _finding(
        report.agrees,
        f"{report.values:,} values of {sum(report.keys.values()):,} keys compared, "
        f"{report.n_disagreements:,} differ. {' '.join(map(str, report.disagreements))}".strip()
        + ("" if report.agrees else f" Delete {workspace.paths.online_store} and run again."),
    )


def champion_not_below_popularity(workspace: Workspace) -> Finding:
    """The model that answers is at least as good as the popular list."""
    row = workspace.lake.read("champion").row(0, named=True)
    return _finding(
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
    found = {
        row["model"]: Comparison(**{name: value for name, value in row.items() if name in names})
        for row in rivals.iter_rows(named=True)
    }
    version = workspace.lake.read("champion")["version"].item()
    beating = [is_better(name, found[name]) for name in better(found)]
    if not beating:
        return _finding(
            True,
            f"None of {len(found)} other models is better than {version} on the test events.",
        )
    return _finding(
        False,
        f"On the test events {version} is not the best: {'; '.join(beating)}. It was chosen by "
        "validation, and answers all the same, since to choose by the test events would make "
        "their figures worth nothing.",
    )


def refit_is_sound(workspace: Workspace) -> Finding:
    """The version that answers is the one fitted to everything."""
    row = workspace.lake.read("serving_model").row(0, named=True)
    return _finding(not row["fault"], row["reason"])


def recommended_items_exist(workspace: Workspace) -> Finding:
    """Every recommended item is in the catalogue."""
    lists = workspace.lake.scan("recommendations")
    gone = lists.join(workspace.lake.scan("items"), on="item_id", how="anti").collect()
    return _finding(
        gone.is_empty(), f"{gone.height:,} recommendations are of items that the catalogue lacks."
    )


def _finding(passed: bool, description: str) -> Finding:
    return dg.AssetCheckResult(passed=bool(passed), description=description)


def _vectors(lake: Lake, modality: str) -> np.ndarray:
    return matrix(lake.read(f"{modality}_embeddings")["embedding"])


def _embedding_checks() -> Iterator[dg.AssetChecksDefinition]:
    for modality in MODALITIES:
        table = f"{modality}_embeddings"
        yield _check(table, "schema", "Contract.", schema(table, "embeddings"))
        yield _check(table, "unit_norm", "Vectors have length 1.", unit_norm(modality))
        yield _check(table, "alive", "Vectors differ from each other.", alive(modality))
    for tower in TOWERS:
        yield _check(
            f"{tower}_alignment",
            "tells_items_apart",
            "Not every item has the same vector.",
            tells_items_apart(tower),
            blocking=False,
        )


asset_checks: list[dg.AssetChecksDefinition] = [
    _check("rejects", "reject_share", "Few rows of the source are unusable.", reject_share),
    _check("items", "schema", "Contract.", schema("items", "items")),
    _check("interactions", "schema", "Contract.", schema("interactions", "interactions")),
    _check("interactions", "known_items", "Events are about known items.", known_items, ("items",)),
    _check("interactions", "not_in_future", "No event is in the future.", times_not_in_future),
    _check("media", "schema", "Contract.", schema("media", "media")),
    _check("media", "broken_share", "Few files are broken.", broken_share),
    _check("media", "placeholders", "No file stands for many items.", placeholders, blocking=False),
    *_embedding_checks(),
    _check(
        "splits",
        "enough_to_judge",
        "Models can be fitted and judged.",
        enough_to_judge,
        blocking=False,
    ),
    _check("splits", "no_future_training", "Training precedes the test.", no_future_training),
    _check("splits", "train_before_test", "One cut in time is clean.", train_before_test),
    _check(
        "online_features",
        "online_equals_offline",
        "Both stores agree.",
        features_agree,
        state=online_file,
    ),
    _check(
        "online_recommendations",
        "online_equals_offline",
        "Both stores agree.",
        lists_agree,
        state=online_file,
    ),
    _check(
        "champion",
        "not_below_popularity",
        "The champion is no worse than the popular list.",
        champion_not_below_popularity,
    ),
    _check(
        "champion",
        "not_beaten",
        "No model of the run is better than the champion on the test events.",
        champion_not_beaten,
        (RIVALS,),
        blocking=False,
    ),
    _check(
        "serving_model",
        "refit_is_sound",
        "The version that was fitted to all events answers.",
        refit_is_sound,
        blocking=False,
    ),
    _check("recommendations", "schema", "Contract.", schema("recommendations", "recommendations")),
    _check(
        "recommendations",
        "known_items",
        "Recommended items are in the catalogue.",
        recommended_items_exist,
        ("items",),
    ),
]
