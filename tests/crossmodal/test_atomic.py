"""What killed writers leave is removed; what is being written is not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from crossmodal.atomic import atomic_path, sweep
from crossmodal.processes import ProcessMark

WRITES = """
import sys
from pathlib import Path
from crossmodal.atomic import atomic_path, scratch_folder
target = Path(sys.argv[1])
with atomic_path(target) as temporary, scratch_folder(target.parent) as folder:
    temporary.write_text("half")
    (folder / "answer").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_what_another_process_writes_stays_until_that_process_is_gone(tmp_path: Path) -> None:
    target = tmp_path / "table"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES, target],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None and writer.stdin is not None
    with writer.stdout as said, writer.stdin:
        assert said.readline() == "writing\n"
        assert sweep(tmp_path) == 0
        assert len(list(tmp_path.rglob("*"))) == 3
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    assert sweep(tmp_path) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_was_given_the_number_of_a_killed_one_protects_nothing(
    tmp_path: Path,
) -> None:
    mark = ProcessMark.of_this_process()
    assert mark.lives()
    assert not ProcessMark(mark.pid, mark.began - 60).lives()
    (tmp_path / f".table.{mark.pid}-{mark.began - 60:.0f}-x.tmp").touch()
    (tmp_path / ".table.of-a-former-release.tmp").touch()
    with atomic_path(tmp_path / "table") as own:
        own.write_text("new")
        assert sweep(tmp_path) == 2
    assert (tmp_path / "table").read_text() == "new"
