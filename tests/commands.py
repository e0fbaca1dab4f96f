"""The project's commands in processes of their own, and patience with them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

patiently = retry(
    retry=retry_if_exception_type((AssertionError, httpx.HTTPError)),
    stop=stop_after_delay(480),
    wait=wait_fixed(0.1),
    reraise=True,
)


@contextmanager
def started(
    home: Path, *words: str, module: str = "orchestration.cli", **chosen: str
) -> Iterator[psutil.Popen]:
    """A command in a process of its own; what it says is in its `stdout`."""
    environment = {**os.environ, "CROSSMODAL_HOME": str(home), **chosen}
    process = psutil.Popen(
        [sys.executable, "-m", module, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.is_running():
            for one in (*process.children(recursive=True), process):
                one.kill()
        process.wait()


def ended_by(process: psutil.Popen, number: int) -> int:
    """The exit code after a signal; whatever the process had started has ended too."""
    family = process.children(recursive=True)
    process.send_signal(number)
    code: int = process.wait(120)
    _, left = psutil.wait_procs(family, timeout=20)
    assert not left
    return code
