"""What a node of a cluster must have in common with the machine of the run."""

import atexit
import hashlib
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crossmodal.atomic import scratch_folder

_PROJECT = Path(__file__).resolve().parents[2]
_PACKAGES = ("crossmodal", "sources", "models", "feature_repo", "assets")


class DifferentNodeError(RuntimeError):
    """A node has another home or other code than the run; the message names node and remedy."""


@dataclass(frozen=True)
class Sameness:
    """What a worker compares before it works: other code or files would give other answers.

    Attributes:
        code: a digest of the project's code.
        mark: a folder in the home that is there as long as the process of the run.
    """

    code: str
    mark: Path

    @staticmethod
    def of(home: Path) -> "Sameness":
        """That of this process, as long as it lives."""
        return Sameness(_code(), _mark(home))

    def require(self) -> None:
        """Compares this machine.

        Raises:
            DifferentNodeError: it has other code, or does not see the home.
        """
        node, home = socket.gethostname(), self.mark.parent
        if not self.mark.is_dir():
            raise DifferentNodeError(
                f"The node {node} does not see the files of {home}: mount the home of the run at "
                "this path on every node."
            )
        if _code() != self.code:
            raise DifferentNodeError(
                f"The code in {_PROJECT} on the node {node} is not that of the run: install the "
                "same version on every node."
            )


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((_PROJECT / package).rglob("*.py")):
            digest.update(f"{path.relative_to(_PROJECT)} ".encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def _mark(home: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    life = ExitStack()
    atexit.register(life.close)
    return life.enter_context(scratch_folder(home))
