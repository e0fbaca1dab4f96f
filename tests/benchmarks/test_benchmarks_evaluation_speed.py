import pytest

from benchmarks.evaluation_speed import everything, figures, plain_loop, workload


def test_the_evaluation_finds_what_a_plain_loop_over_users_finds() -> None:
    work = workload(n_users=40, n_items=300, n_events=1500, seed=3)
    expected = plain_loop(work)
    assert len(expected) == 20 and expected["ndcg@10"] > 0
    assert figures(work) == pytest.approx(expected)
    found = everything(work)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
