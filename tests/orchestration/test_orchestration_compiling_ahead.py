"""Code that is compiled while a run does other work."""

import os
from pathlib import Path

import psutil
import pytest

from orchestration.compiling_ahead import compiling_ahead


def compilers() -> list[psutil.Process]:
    """Processes of this one that compile."""
    return [
        child
        for child in psutil.Process().children()
        if "models.hmdf.compile_ahead" in child.cmdline()
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a module that was never compiled."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    hybrid = tmp_path / "hmdf"
    hybrid.mkdir()
    (hybrid / "_event_kernels.py").write_text("")
    return hybrid


def test_what_was_never_compiled_is_compiled_during_the_block_alone(folder: Path) -> None:
    """A run that ends before leaves no process behind."""
    with compiling_ahead(folder):
        assert len(compilers()) == 1
    assert not compilers()


@pytest.mark.parametrize("place", ["hmdf/__pycache__", "elsewhere/hmdf_5f"])
@pytest.mark.parametrize(("age", "processes"), [(10, 0), (-10, 1)])
def test_code_is_compiled_again_where_its_source_is_newer(
    folder: Path, age: int, processes: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is not compiled by every run, wherever it is kept."""
    if place.startswith("elsewhere"):
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder.parent / "elsewhere"))
    source = folder / "_event_kernels.py"
    kept = folder.parent / place / "_event_kernels.add_by_event-9.py311.nbi"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"")
    written = kept.stat().st_mtime - age
    os.utime(source, (written, written))
    with compiling_ahead(folder):
        assert len(compilers()) == processes
