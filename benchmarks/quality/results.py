"""Answers that were found once are kept: a run that was stopped goes on where it was."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.peers.exchange import Answer, read_answer, write_answer
from crossmodal.atomic import atomic_path

_ROOT = Path(__file__).parents[2]


def kept(folder: Path, name: str, key: str) -> Answer | None:
    """The answer of that name and key, if there is one."""
    path = folder / f"{name}-{key}.npz"
    return read_answer(path) if path.is_file() else None


def keep(folder: Path, name: str, key: str, answer: Answer) -> None:
    """Keeps an answer."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / f"{name}-{key}.npz") as temporary, temporary.open("wb") as file:
        write_answer(file, answer)


def key_of(*parts: Any) -> str:
    """A short key of JSON-able parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def code_digest(paths: Iterable[str], without: str | None = None) -> str:
    """A key of the content of files and folders of code, named relative to the repository.

    Args:
        paths: of the files and folders.
        without: a folder below one of them that does not count.
    """
    left_out = None if without is None else _ROOT / without
    hasher = hashlib.sha256()
    for name in paths:
        path = _ROOT / name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        files = [file for file in files if left_out is None or left_out not in file.parents]
        for file in files:
            hasher.update(str(file.relative_to(_ROOT)).encode() + file.read_bytes())
    return hasher.hexdigest()[:12]


def commit() -> str:
    """The commit at work, with a + where files differ from it; `unknown` outside a repository."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown"
    return head + ("+" if _git("status", "--porcelain") else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
