"""What the hybrid's features are worth: its trees fitted without each group of them.

Candidates and features are made once; trees are then fitted to the earlier slices with all
features and with all but one group, and judged on the validation events, which neither they nor
what describes them had seen (`models.hmdf`). A group that others can stand in for costs nothing
when it is left out, whatever it is worth alone.

    python -m benchmarks.hybrid_features MOVIELENS_FOLDER [--tree-seeds 42,43]

With several seeds of the trees a user's figure is the mean over them.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from benchmarks import _runs
from models.evaluation import PairedDifference, paired_difference
from models.hmdf import HMDF, HMDFConfig
from models.hmdf.candidates import Candidates
from models.hmdf.trees import LabelledSlice, TreeData, choose_rounds

_SAMPLES = 10_000
_SCORES = ("_standardised", "_log_rank")


@dataclass(frozen=True)
class Worth:
    """What is lost without a group of features.

    Attributes:
        group: its name.
        features: how many it has.
        value: mean NDCG@10 on the validation events without it.
        difference: with it less without it, over users.
    """

    group: str
    features: int
    value: float
    difference: PairedDifference


def groups_of(hybrid: HMDF) -> dict[str, tuple[int, ...]]:
    """Places of the features by group: a kind of link, a part of the score, a model's scores.

    Args:
        hybrid: that has made features.
    """
    kinds = (*hybrid.link_kinds, "contemporary")
    places_by_group: dict[str, list[int]] = {}
    for place, (name, part) in enumerate(
        zip(hybrid.feature_names, hybrid.feature_parts, strict=True)
    ):
        kind = next((kind for kind in _longest_first(kinds) if name.startswith(kind)), None)
        if name.endswith(_SCORES):
            group = "compared scores"
        elif kind is not None:
            group = f"links: {kind}"
        elif name.startswith("user_"):
            group = "figures of the user"
        elif name.startswith("number_"):
            group = "numbers of the item"
        else:
            group = part
        places_by_group.setdefault(group, []).append(place)
    return {group: tuple(places) for group, places in places_by_group.items()}


def without(slices: Sequence[LabelledSlice], left_out: Sequence[int]) -> list[LabelledSlice]:
    """The slices with all features but those at some places."""
    remaining = np.setdiff1d(np.arange(slices[0].candidates.features.shape[1]), left_out)
    return [
        replace(
            part,
            candidates=Candidates(
                part.candidates.rows, part.candidates.items, part.candidates.features[:, remaining]
            ),
        )
        for part in slices
    ]


def judged(hybrid: HMDF, slices: Sequence[LabelledSlice], seeds: Sequence[int]) -> np.ndarray:
    """NDCG@10 (n_users,) on the last slice, the mean over trees of several seeds."""
    names = [str(place) for place in range(slices[0].candidates.features.shape[1])]
    folds = hybrid.folds(slices)
    by_seed = [
        choose_rounds(
            TreeData.of(slices, names, hybrid.config),
            folds,
            hybrid.config.model_copy(update={"seed": seed}),
        ).validated[0]
        for seed in seeds
    ]
    return np.asarray(np.mean(by_seed, axis=0))


def main() -> None:
    """Runs the benchmark from the command line."""
    chosen = _parsed()
    data = _runs.next_choices(chosen, chosen.seed)
    hybrid = HMDF(HMDFConfig(seed=chosen.seed))
    slices = hybrid.labelled_slices(data.dataset)
    whole = judged(hybrid, slices, chosen.tree_seeds)
    print(f"All features: {whole.mean():.4f}.\n| without | features | NDCG@10 | lost | s |")
    print("|---|---|---|---|---|")
    rows = []
    for group, places in groups_of(hybrid).items():
        began = time.perf_counter()
        rest = judged(hybrid, without(slices, places), chosen.tree_seeds)
        lost = paired_difference(whole, rest, _SAMPLES)
        rows.append(Worth(group, len(places), float(rest.mean()), lost))
        print(
            f"| {group} | {len(places)} | {rest.mean():.4f} | {lost.mean:+.4f} "
            f"[{lost.low:+.4f}, {lost.high:+.4f}] | {time.perf_counter() - began:.0f} |",
            flush=True,
        )
    facts = {"data": chosen.data.name, "seed": chosen.seed, "tree_seeds": chosen.tree_seeds}
    result = {"all": float(whole.mean()), "rows": [asdict(row) for row in rows]}
    _runs.write(chosen.out, facts | result)


def _longest_first(names: Sequence[str]) -> list[str]:
    """So that a name which begins with another is met before it."""
    return sorted(names, key=len, reverse=True)


def _parsed() -> argparse.Namespace:
    parser = _runs.parser(__doc__, "hybrid_features.json")
    parser.add_argument("--seed", type=int, default=42, help="of the split and of the hybrid")
    parser.add_argument("--tree-seeds", type=_runs.numbers, default=[42, 43], help="commas between")
    return parser.parse_args()


if __name__ == "__main__":
    main()
