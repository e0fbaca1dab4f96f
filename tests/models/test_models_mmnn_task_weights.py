"""How the losses of an MMNN's tasks become one: set numbers, or a learned noise of each."""

from math import exp

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.mmnn.task_weights import FixedWeights, UncertaintyWeights

ALL = ("retrieval", "rating", "click")
numbers = st.floats(0.015625, 20, width=32)


@given(
    st.lists(numbers, min_size=3, max_size=3), st.lists(st.floats(-3, 3), min_size=3, max_size=3)
)
def test_the_gradient_of_the_noise_is_that_of_the_paper(losses, noises):
    weights = UncertaintyWeights(ALL)
    with torch.no_grad():
        weights.log_variances.copy_(torch.tensor(noises))
    given_losses = dict(zip(ALL, map(torch.tensor, losses), strict=True))
    weights(given_losses).backward()
    share = {"retrieval": 1.0, "rating": 0.5, "click": 1.0}
    for place, task in enumerate(ALL):
        expected = 0.5 - share[task] * exp(-noises[place]) * losses[place]
        found = float(weights.log_variances.grad[place])
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_noise_at_rest_makes_each_task_worth_a_half():
    weights = UncertaintyWeights(ALL)
    losses = {
        "retrieval": torch.tensor(7.0),
        "rating": torch.tensor(0.8),
        "click": torch.tensor(0.3),
    }
    optimizer = torch.optim.SGD(weights.parameters(), lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        weights(losses).backward()
        optimizer.step()
    for task, factor in weights.factors().items():
        assert factor * float(losses[task]) == pytest.approx(0.5, rel=1e-3)


@given(st.dictionaries(st.sampled_from(ALL), st.tuples(numbers, numbers), min_size=1))
def test_fixed_weights_make_a_weighted_sum(parts):
    weights = FixedWeights({task: weight for task, (weight, _) in parts.items()})
    total = weights({task: torch.tensor(loss) for task, (_, loss) in parts.items()})
    assert float(total) == pytest.approx(sum(a * b for a, b in parts.values()), rel=1e-5)
