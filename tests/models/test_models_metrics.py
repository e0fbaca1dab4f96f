import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics
from models.data import Histories, Interactions
from models.evaluation import Relevance, per_user_metrics

N_ITEMS = 40
CUTOFFS = (1, 5, 10, 20)
MEASURES = {"ndcg": "ndcg_cut", "recall": "recall", "map": "map_cut", "hit_rate": "success"}


def _events(users: np.ndarray, items: np.ndarray) -> Interactions:
    order = np.argsort(users, kind="stable")
    n = len(users)
    return Interactions(
        users[order].astype(np.int32),
        items[order].astype(np.int32),
        np.ones(n, np.float32),
        np.arange(n, dtype=np.int64),
    )


def _case(seed: int, n_users: int = 12) -> tuple[np.ndarray, Interactions]:
    rng = np.random.default_rng(seed)
    lists = np.stack([rng.permutation(N_ITEMS)[: max(CUTOFFS)] for _ in range(n_users)])
    n = int(rng.integers(n_users, 6 * n_users))
    return lists.astype(np.int32), _events(rng.integers(0, n_users, n), rng.integers(0, N_ITEMS, n))


def _measured(lists: np.ndarray, test: Interactions) -> dict[tuple[str, int], np.ndarray]:
    nobody = Histories.empty(len(lists))
    histories = Histories(
        nobody.offsets,
        nobody.items,
        nobody.values,
        nobody.timestamps,
        np.arange(len(lists), dtype=np.int32),
    )
    relevance = Relevance.of(test, histories, N_ITEMS)
    return dict(per_user_metrics(relevance.hits(lists), relevance.counts(), CUTOFFS))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_ranking_metrics_agree_with_trec_eval(seed: int) -> None:
    lists, test = _case(seed)
    found = _measured(lists, test)
    qrel: dict[str, dict[str, int]] = {}
    for user, item in zip(test.users.tolist(), test.items.tolist(), strict=True):
        qrel.setdefault(str(user), {})[str(item)] = 1
    cuts = ",".join(map(str, CUTOFFS))
    judge = pytrec_eval.RelevanceEvaluator(qrel, {f"{name}.{cuts}" for name in MEASURES.values()})
    runs = {
        k: {
            str(user): {str(item): float(-rank) for rank, item in enumerate(row[:k].tolist())}
            for user, row in enumerate(lists)
        }
        for k in (max(CUTOFFS), *CUTOFFS)
    }
    whole = judge.evaluate(runs[max(CUTOFFS)])
    for k in CUTOFFS:
        first = pytrec_eval.RelevanceEvaluator(qrel, {"recip_rank"}).evaluate(runs[k])
        for user in range(len(lists)):
            if str(user) not in qrel:
                assert all(math.isnan(found[name, k][user]) for name in (*MEASURES, "mrr"))
                continue
            for name, theirs in MEASURES.items():
                expected = whole[str(user)][f"{theirs}_{k}"]
                assert found[name, k][user] == pytest.approx(expected, abs=1e-6)
            assert found["mrr", k][user] == pytest.approx(first[str(user)]["recip_rank"], abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_users_does_not_matter(seed: int) -> None:
    lists, test = _case(seed)
    order = np.random.default_rng(seed).permutation(len(lists))
    renamed = np.argsort(order)[test.users]
    before, after = _measured(lists, test), _measured(lists[order], _events(renamed, test.items))
    for key, values in before.items():
        np.testing.assert_array_equal(values[order], after[key])


def test_list_figures_by_hand() -> None:
    lists = np.array([[0, 1], [0, -1]], dtype=np.int32)
    everything = np.ones(4, dtype=bool)
    assert metrics.coverage(lists, 4) == 0.5
    assert metrics.gini(lists, everything) == pytest.approx((1 * 1 + 3 * 2) / (4 * 3))
    assert metrics.gini(np.array([[0, 1, 2, 3]], np.int32), everything) == 0
    novelty = metrics.novelty(lists, np.array([3, 1, 0, 0]), 3)
    np.testing.assert_allclose(novelty, [0.5, 0.0])
    vectors = np.array([[1, 0], [0, 2], [1, 1], [0, 0]], dtype=np.float32)
    diversity = metrics.intra_list_diversity(lists, vectors, everything)
    np.testing.assert_allclose(diversity, [1.0, np.nan])


def test_a_list_like_the_past_is_calibrated() -> None:
    categories = np.eye(3, dtype=np.float32)
    past = _events(np.array([0, 0, 1]), np.array([0, 1, 2]))
    histories = Histories.of(past, np.array([0, 1], dtype=np.int32))
    lists = np.array([[0, 1], [0, 1]], dtype=np.int32)
    alike, opposite = metrics.calibration(lists, histories, categories)
    assert alike == pytest.approx(0.0, abs=1e-12)
    assert opposite == pytest.approx(math.log(100))


def test_nothing_to_measure_is_nan() -> None:
    nothing = np.zeros(0, dtype=np.float32)
    assert math.isnan(metrics.rmse(nothing, nothing))
    assert math.isnan(metrics.coverage(np.zeros((0, 5), np.int32), 0))
    assert metrics.rmse(np.array([1.0, 3.0]), np.array([1.0, 1.0])) == pytest.approx(math.sqrt(2))
