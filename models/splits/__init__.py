"""Which events a model may learn from, which choose its settings, and which judge it."""

from models.splits._splits import (
    LeakError,
    Split,
    assert_no_future_training,
    cold_item,
    random_split,
    user_temporal,
)

__all__ = [
    "LeakError",
    "Split",
    "assert_no_future_training",
    "cold_item",
    "random_split",
    "user_temporal",
]
