"""How fast long work goes on, told as people say it."""

import pytest

from orchestration.progress import pace


@pytest.mark.parametrize(
    ("a_second", "told"),
    [(12_345.6, "12,346 a second"), (1.0, "1 a second"), (0.25, "4 s each"), (1 / 90, "90 s each")],
)
def test_slow_steps_are_told_in_seconds_for_one(a_second: float, told: str) -> None:
    assert pace(a_second) == told
