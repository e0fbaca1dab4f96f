"""How tables name the pictures and sounds that apps have put, next to those of the source."""

UPLOADED = "uploads://"
"""Before the name of such a file, the hash of its bytes. No path below a source's root begins so:
what has a scheme is refused there."""
