"""How many users the hybrid's trees need: NDCG@10 and time as they learn from more.

Candidates and features are made once, of as many users as the largest number asks for; trees are
then fitted to the earlier slices of so many users each, and judged on the validation events of all
users who judge. From where more users gain nothing, they cost time and memory alone.

    python -m benchmarks.hybrid_users MOVIELENS_FOLDER [--users 500,1000,2500,5000]

With several seeds of the trees a user's figure is the mean over them.
"""

import argparse
import time

import numpy as np

from benchmarks import _runs
from models.evaluation import paired_difference
from models.hmdf import HMDF, HMDFConfig
from models.hmdf.trees import TreeData, choose_rounds

_SAMPLES = 10_000


def main() -> None:
    """Runs the benchmark from the command line."""
    chosen = _parsed()
    data = _runs.next_choices(chosen, chosen.seed)
    hybrid = HMDF(HMDFConfig(seed=chosen.seed, most_users=max(chosen.users)))
    slices = hybrid.labelled_slices(data.dataset)
    folds = hybrid.folds(slices)
    print("| users per slice | rows | NDCG@10 | less than the most | s |\n|---|---|---|---|---|")
    rows, whole = [], None
    for users in sorted(chosen.users, reverse=True):
        config = hybrid.config.model_copy(update={"most_users": users})
        began = time.perf_counter()
        table = TreeData.of(slices, hybrid.feature_names, config)
        values = np.mean(
            [
                choose_rounds(table, folds, config.model_copy(update={"seed": seed})).validated[0]
                for seed in chosen.tree_seeds
            ],
            axis=0,
        )
        seconds = (time.perf_counter() - began) / len(chosen.tree_seeds)
        whole = values if whole is None else whole
        less = paired_difference(values, whole, _SAMPLES)
        rows.append(
            {
                "users": users,
                "rows": sum(table.sizes),
                "ndcg": float(values.mean()),
                "difference": [less.mean, less.low, less.high],
                "seconds": round(seconds, 1),
            }
        )
        print(
            f"| {users:,} | {sum(table.sizes):,} | {values.mean():.4f} | {less.mean:+.4f} "
            f"[{less.low:+.4f}, {less.high:+.4f}] | {seconds:.0f} |",
            flush=True,
        )
    facts = {"data": chosen.data.name, "seed": chosen.seed, "tree_seeds": chosen.tree_seeds}
    _runs.write(chosen.out, facts | {"judges": len(values), "rows": rows})


def _parsed() -> argparse.Namespace:
    parser = _runs.parser(__doc__, "hybrid_users.json")
    parser.add_argument("--users", type=_runs.numbers, default=[500, 1000, 2500, 5000])
    parser.add_argument("--seed", type=int, default=42, help="of the split and of the hybrid")
    parser.add_argument("--tree-seeds", type=_runs.numbers, default=[42, 43], help="commas between")
    return parser.parse_args()


if __name__ == "__main__":
    main()
