"""A generated catalogue whose hidden truth is known."""
