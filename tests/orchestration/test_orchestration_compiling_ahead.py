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
def folder(tmp_path: Path) -> Path:
    """Of a module that was never compiled."""
    (tmp_path / "_event_kernels.py").write_text("")
    return tmp_path


def test_what_was_never_compiled_is_compiled_during_the_block_alone(folder: Path) -> None:
    """A run that ends before leaves no process behind."""
    with compiling_ahead(folder):
        assert len(compilers()) == 1
    assert not compilers()


@pytest.mark.parametrize(("age", "processes"), [(10, 0), (-10, 1)])
def test_code_is_compiled_again_where_its_source_is_newer(
    folder: Path, age: int, processes: int
) -> None:
    """What is kept is not compiled by every run."""
    source = folder / "_event_kernels.py"
    kept = folder / "__pycache__" / "_event_kernels.add_by_event-9.py311.nbi"
    kept.parent.mkdir()
    kept.write_bytes(b"")
    written = kept.stat().st_mtime - age
    os.utime(source, (written, written))
    with compiling_ahead(folder):
        assert len(compilers()) == processes
