"""Checks of what was read: rows, columns, events and times."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from assets.features import newest_event
from crossmodal.workspace import Workspace
from orchestration.checks.finding import Finding, finding

_CLOCK_SKEW = timedelta(days=1)


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
        return finding(False, f"The source has no usable event: {why}.")
    return finding(
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
            return finding(
                False,
                f"{table}: column {first['column']} fails {first['check']} "
                f"(first case {first['failure_case']!r}).",
            )
        return finding(True, f"{table} has the columns, types and keys of the contract.")

    return test


def known_items(workspace: Workspace) -> Finding:
    """Every event is about an item of the catalogue."""
    events = workspace.lake.scan_partitions("interactions")
    unknown = events.join(workspace.lake.scan("items"), on="item_id", how="anti").collect()
    return finding(
        unknown.is_empty(), f"{unknown.height:,} events are about items that the catalogue lacks."
    )


def times_not_in_future(workspace: Workspace) -> Finding:
    """No event is later than this machine's clock, with a day for time zones and clocks."""
    newest = newest_event(workspace.lake)
    return finding(
        newest <= datetime.now(UTC) + _CLOCK_SKEW,
        f"The newest event is of {newest:%Y-%m-%d %H:%M}.",
    )
