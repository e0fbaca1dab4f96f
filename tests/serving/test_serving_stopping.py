"""The end of a service of which somebody holds half a request: soon, and in good order."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

pytestmark = pytest.mark.slow
HALF_A_HEAD = b"GET /v1/items HTTP/1.1\r\nHost: loc"
HALF_A_BODY = (
    b"PUT /v1/items/a/media/image HTTP/1.1\r\nHost: localhost\r\n"
    b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
)


@retry(
    retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_delay(480), wait=wait_fixed(0.1)
)
def alive(port: int) -> None:
    httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60).raise_for_status()


@pytest.mark.parametrize("workers", [1, 2])
def test_half_sent_requests_do_not_keep_it(tmp_path: Path, workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {
        "CROSSMODAL_HOME": str(tmp_path / "home"),
        "CROSSMODAL_ID_KEY": "a key for tests",
        "CROSSMODAL_SERVE_STOP_SECONDS": "1",
        "CROSSMODAL_SERVE_HEADER_SECONDS": "600",
        "CROSSMODAL_SERVE_BODY_SECONDS": "600",
    }
    command = [sys.executable, "-m", "orchestration.cli", "serve", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)],
        env={**os.environ, **own},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with ExitStack() as held:
            alive(port)
            for said in [HALF_A_HEAD] * 2 + [HALF_A_BODY] * 4:
                caller = held.enter_context(socket.create_connection(("127.0.0.1", port), 60))
                caller.sendall(said)
                if said == HALF_A_BODY:
                    assert b"100 Continue" in caller.recv(100)
            process.send_signal(signal.SIGTERM)
            _, logged = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in logged
