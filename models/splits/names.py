"""What the splits are called, in every table, picture and setting."""

USER_TEMPORAL = "user-temporal"
USER_RANDOM = "user-random"
"""In place of `user-temporal` where the events have no times: which of a user's events are held out
is drawn. Nothing stands there in place of `global-temporal`."""
GLOBAL_TEMPORAL = "global-temporal"
COLD_ITEM = "cold-item"
RANDOM = "random"

RANKED_SPLITS = (USER_TEMPORAL, GLOBAL_TEMPORAL, COLD_ITEM)
"""Splits whose test is a ranking, in the order of every table and picture."""

WARM_SPLITS = (USER_TEMPORAL, GLOBAL_TEMPORAL)
"""Splits whose test events are on items that have training events."""

WARM_AND_COLD = (USER_TEMPORAL, COLD_ITEM)
"""Known users' next choices, and items that nobody has chosen: what most models are fitted on."""
