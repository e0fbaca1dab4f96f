"""New items among all others: what a list loses by them, and how many of the wanted it shows.

A tenth of the catalogue arrives after the fit: the hybrid is fitted to a catalogue without them and
is then extended by what they are (`models.protocol.Extendable`). Each user's test events are asked
for among all items. Compared are the lists of the hybrid as it was, of the hybrid with the new
items on its own scale, and the same with places kept for them in the lower half, as the service
keeps them.

    python -m benchmarks.mixed MOVIELENS_FOLDER [--draws 42,43,44] [--places 20]
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from assets.datasets import SplitData
from benchmarks import _runs
from models.data import Bools, Dataset, Histories, Interactions, Ints, TokenTable, Vocabulary
from models.evaluation import PairedRatio, known_events, paired_ratio
from models.exploration import with_places
from models.hmdf import HMDF, HMDFConfig
from models.metrics import ndcg
from models.protocol import Ranking
from models.ranking import tie_breaks, top_k

_SHARE = 0.1
_LIST, _TOP = 50, 10
_SAMPLES = 10_000


@dataclass(frozen=True)
class Lists:
    """What one way to rank gave, over the users of all draws.

    Attributes:
        name: of the way.
        ndcg: NDCG@10 of all that users chose, new or not.
        recall_of_new: of the new items that a user chose, the share in a list of 50.
        new_in_list: new items in a list of 50.
        ratio: of the NDCG@10 to that without new items; None for that itself.
    """

    name: str
    ndcg: float
    recall_of_new: float
    new_in_list: float
    ratio: PairedRatio | None


@dataclass(frozen=True)
class _Measured:
    """Per user with test events (n_users,) NDCG@10; per user with new ones the recall; counts."""

    ndcg: np.ndarray
    recall: np.ndarray
    counts: np.ndarray


def arrived(n_items: int, seed: int) -> Bools:
    """Which items (n_items,) arrive after the fit: a tenth, drawn by the seed."""
    new = np.zeros(n_items, dtype=bool)
    new[np.random.default_rng(seed).permutation(n_items)[: round(_SHARE * n_items)]] = True
    return new


def before_arrival(dataset: Dataset, order: Ints, place: Ints, n_known: int) -> Dataset:
    """The dataset before the items from `n_known` on, in the order (n_items,), have arrived.

    Dense indexes follow the order, so that the same items keep them when the rest arrives.

    Args:
        dataset: with all items.
        order: its items, in the order of arrival.
        place: (n_items,) where each item stands in the order.
        n_known: how many items have arrived.
    """

    def arrived(events: Interactions) -> Interactions:
        items = place[events.items]
        return replace(events, items=items).take(items < n_known)

    tokens = {name: _kept(table, place, 0, n_known) for name, table in dataset.tokens.items()}
    train = arrived(dataset.train)
    return Dataset(
        dataset.user_ids,
        Vocabulary(tuple(dataset.item_ids.ids[item] for item in order[:n_known])),
        train,
        arrived(dataset.validation),
        tokens,
        np.zeros((len(train), 0), dtype=np.float32),
    )


def measured(data: SplitData, seed: int, places: int) -> dict[str, _Measured]:
    """Each way to rank on one draw of the items that arrive."""
    dataset = data.dataset
    new = arrived(dataset.n_items, seed)
    order = np.argsort(new, kind="stable").astype(np.int32)
    n_known = int((~new).sum())
    place = np.argsort(order).astype(np.int32)
    earlier = before_arrival(dataset, order, place, n_known)
    known = known_events(earlier)
    hybrid = HMDF(HMDFConfig(seed=seed)).fit(earlier)
    further = np.arange(n_known, dataset.n_items, dtype=np.int32)
    arriving = {
        name: _kept(table, place, n_known, dataset.n_items)
        for name, table in dataset.tokens.items()
    }
    grown = hybrid.extended(arriving, further)
    users = np.unique(data.test.users)
    histories = Histories.of(known, users)
    ties = tie_breaks([dataset.item_ids.ids[item] for item in order], seed)
    scores = grown.score(histories)
    alone = np.full_like(scores, -np.inf)
    alone[:, n_known:] = grown.score_given(histories, further)
    without, offered = scores.copy(), scores.copy()
    without[:, n_known:] = -np.inf
    offered[:, :n_known] = -np.inf
    uncertain = np.arange(dataset.n_items) >= n_known
    wanted = _wanted(dataset, data.test, place)
    ways = {
        "without new items": top_k(without, _LIST, ties),
        "on one scale": top_k(scores, _LIST, ties),
        f"on one scale, {places} places": _with_places(
            top_k(scores, _LIST, ties), top_k(offered, _LIST, ties), places
        ),
        "new items alone": top_k(alone, _LIST, ties),
    }
    return {name: _of_lists(lists, users, wanted, uncertain) for name, lists in ways.items()}


def summary(draws: Sequence[dict[str, _Measured]]) -> list[Lists]:
    """Each way over all draws, with the users of all draws pooled."""
    names = list(draws[0])
    pooled = {
        name: _Measured(
            *(
                np.concatenate([getattr(draw[name], part) for draw in draws])
                for part in ("ndcg", "recall", "counts")
            )
        )
        for name in names
    }
    plain = pooled[names[0]].ndcg
    return [
        Lists(
            name,
            float(way.ndcg.mean()),
            float(way.recall.mean()),
            float(way.counts.mean()),
            None if name == names[0] else paired_ratio(way.ndcg, plain, _SAMPLES),
        )
        for name, way in pooled.items()
    ]


def main() -> None:
    """Runs the benchmark from the command line."""
    chosen = _parsed()
    data = _runs.next_choices(chosen, chosen.seed)
    draws = []
    for seed in chosen.draws:
        began = time.perf_counter()
        draws.append(measured(data, seed, chosen.places))
        print(f"Draw {seed}: {time.perf_counter() - began:.0f} s.", flush=True)
    rows = summary(draws)
    print("| lists | NDCG@10 | over that without | recall@50 of new items | new items in 50 |")
    print("|---|---|---|---|---|")
    for row in rows:
        ratio = (
            ""
            if row.ratio is None
            else f"{row.ratio.ratio:.3f} [{row.ratio.low:.3f}, {row.ratio.high:.3f}]"
        )
        new = f"{row.recall_of_new:.3f} | {row.new_in_list:.1f}"
        print(f"| {row.name} | {row.ndcg:.4f} | {ratio} | {new} |")
    facts = {"data": chosen.data.name, "draws": chosen.draws, "places": chosen.places}
    _runs.write(chosen.out, {**facts, "rows": [asdict(row) for row in rows]})


def _kept(table: TokenTable, place: Ints, first: int, stop: int) -> TokenTable:
    """The rows of the items whose new places are from `first` up to but excluding `stop`."""
    items = place[table.items]
    rows = np.flatnonzero((items >= first) & (items < stop))
    rows = rows[np.lexsort((table.known_at[rows], items[rows]))]
    renumbered = (items[rows] - first).astype(np.int32)
    return TokenTable(stop - first, renumbered, table.known_at[rows], table.features[rows])


def _with_places(lists: Ranking, new: Ranking, places: int) -> Ranking:
    replaced = [
        with_places(
            lists.items[row],
            lists.scores[row],
            (new.items[row], new.scores[row]),
            places,
            _LIST // 2,
        )
        for row in range(len(lists.items))
    ]
    return Ranking(
        np.stack([items for items, _ in replaced]), np.stack([scores for _, scores in replaced])
    )


def _wanted(dataset: Dataset, test: Interactions, place: Ints) -> dict[int, np.ndarray]:
    """What each user of the test chose for the first time, in the new places."""
    known = known_events(dataset)
    n_items = dataset.n_items
    had = np.unique(known.users.astype(np.int64) * n_items + known.items)
    chosen = np.unique(test.users.astype(np.int64) * n_items + test.items)
    chosen = chosen[~np.isin(chosen, had)]
    users, items = np.divmod(chosen, n_items)
    return {int(user): place[items[users == user]] for user in np.unique(users)}


def _of_lists(lists: Ranking, users: Ints, wanted: dict[int, np.ndarray], new: Bools) -> _Measured:
    rows = [row for row, user in enumerate(users) if int(user) in wanted]
    hits = np.stack([np.isin(lists.items[row], wanted[int(users[row])]) for row in rows])
    sizes = np.array([len(wanted[int(users[row])]) for row in rows])
    recall = []
    for row in rows:
        relevant = wanted[int(users[row])]
        relevant = relevant[new[relevant]]
        if len(relevant):
            recall.append(np.isin(relevant, lists.items[row]).sum() / min(len(relevant), _LIST))
    shown = lists.items[rows]
    counts = ((shown >= 0) & new[np.maximum(shown, 0)]).sum(axis=1)
    return _Measured(ndcg(hits[:, :_TOP], sizes, _TOP), np.array(recall), counts)


def _parsed() -> argparse.Namespace:
    parser = _runs.parser(__doc__, "mixed.json")
    parser.add_argument("--seed", type=int, default=42, help="of the split")
    parser.add_argument(
        "--draws",
        type=_runs.numbers,
        default=[42, 43, 44],
        help="seeds of the items that arrive and of the hybrid, with commas",
    )
    parser.add_argument(
        "--places", type=int, default=20, help="of 50 that are kept for new items at least"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
