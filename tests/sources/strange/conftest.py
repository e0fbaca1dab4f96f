"""How many tables the fuzz writes when it is asked for many."""

from hypothesis import settings

settings.register_profile("ten-thousand-tables", max_examples=10_000)
