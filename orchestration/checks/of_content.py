"""Checks of media files and of the vectors that are made of them."""

from collections.abc import Callable

import numpy as np
import polars as pl

from crossmodal.lake import Lake
from crossmodal.workspace import Workspace
from models.assembly import matrix
from orchestration.checks.finding import Finding, finding

_NORM_TOLERANCE = 1e-3
_DEAD_COSINE = 0.999
_DEAD_MINIMUM_ROWS = 10


def broken_share(workspace: Workspace) -> Finding:
    """Few enough files of each modality are broken; names the commonest reason and three files."""
    limit = workspace.settings.max_broken_share
    files = workspace.lake.scan("media").filter(pl.col("status") != "missing")
    shares = files.group_by("modality").agg(n=pl.len(), broken=(pl.col("status") == "broken").sum())
    lines, passed = [], True
    for modality, n, broken in shares.sort("modality").collect().iter_rows():
        lines.append(f"{broken:,} of {n:,} {modality} files are broken")
        if broken > limit * n:
            passed = False
            lines[-1] += f" ({_why_broken(files, modality)})"
    return finding(
        passed,
        f"{'; '.join(lines) or 'There are no media files'}. CROSSMODAL_MAX_BROKEN_SHARE allows "
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
    repeated = [
        f"{row['uri']} is the {row['modality']} of {row['items']:,} of {row['of']:,} items"
        for row in workspace.lake.version("media").summary["placeholders"]
    ]
    share = workspace.settings.max_repeated_share
    return finding(
        not repeated,
        f"{'; '.join(repeated)}: a placeholder, which counts as missing "
        f"(CROSSMODAL_MAX_REPEATED_SHARE allows {share:.0%})."
        if repeated
        else "No file stands for many items.",
    )


def tells_items_apart(tower: str) -> Callable[[Workspace], Finding]:
    """Not every item has the same vector."""

    def test(workspace: Workspace) -> Finding:
        same = workspace.lake.version(f"{tower}_alignment").summary["items_all_the_same"]
        return finding(
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
        return finding(off == 0, f"{off:,} of {len(vectors):,} vectors have a length other than 1.")

    return test


def alive(modality: str) -> Callable[[Workspace], Finding]:
    """The vectors of a modality differ from each other."""

    def test(workspace: Workspace) -> Finding:
        vectors = _vectors(workspace.lake, modality)
        if len(vectors) < _DEAD_MINIMUM_ROWS:
            return finding(True, f"{len(vectors)} vectors are too few to judge.")
        closeness = float(np.square(vectors.mean(axis=0)).sum())
        return finding(
            closeness < _DEAD_COSINE, f"The mean cosine between two vectors is {closeness:.3f}."
        )

    return test


def _vectors(lake: Lake, modality: str) -> np.ndarray:
    return matrix(lake.read(f"{modality}_embeddings")["embedding"])
