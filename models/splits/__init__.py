"""Which events a model may learn from, which choose its settings, and which judge it."""

from models.splits._splits import (
    LeakError,
    Split,
    assert_no_future_training,
    assert_train_before_test,
    cold_item,
    global_temporal,
    limited_to_judges,
    random_split,
    user_temporal,
)

__all__ = [
    "LeakError",
    "Split",
    "assert_no_future_training",
    "assert_train_before_test",
    "cold_item",
    "global_temporal",
    "limited_to_judges",
    "random_split",
    "user_temporal",
]
