"""One version over the definitions: it changes when a view, entity, service or store does."""

import hashlib
from pathlib import Path

_DEFINITIONS = ("entities.py", "data_sources.py", "views.py", "services.py", "feature_store.yaml")


def definitions_version() -> str:
    """SHA-256 (16 hex characters) over the files that define the feature store."""
    digest = hashlib.sha256()
    for name in _DEFINITIONS:
        digest.update((Path(__file__).resolve().parent / name).read_bytes())
    return digest.hexdigest()[:16]
