"""The checksum by which a version's files are known."""

import hashlib
from pathlib import Path

from models.persistence import WEIGHTS


def weights_sha256(folder: Path) -> str:
    """SHA-256 of a model's weights and of every file of the models that it is made of."""
    checksum = _sha256(folder / WEIGHTS)
    inner = sorted(path for path in folder.glob("*/**/*") if path.is_file())
    if not inner:
        return checksum
    named = [f"{path.relative_to(folder).as_posix()} {_sha256(path)}" for path in inner]
    return hashlib.sha256("\n".join([checksum, *named]).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
