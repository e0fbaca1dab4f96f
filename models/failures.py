"""What a fit may end with on some data and not on other."""

from lightgbm.basic import LightGBMError

FIT_FAILURES: tuple[type[Exception], ...] = (
    ArithmeticError,
    LightGBMError,
    LookupError,
    RuntimeError,
    ValueError,
)
"""Too few events, a singular matrix, a diverging loss, a full accelerator, trees without a split.

Who has another answer catches these and tells of them; what is not among them is a fault of the
code, which no other data would mend.
"""
