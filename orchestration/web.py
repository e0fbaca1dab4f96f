"""Dagster's web UI and daemon, on the instance of the state folder."""

import os
import socket
import subprocess
import sys

from crossmodal.paths import StatePaths


def serve_ui(paths: StatePaths, port: int) -> int:
    """Runs `dagster dev` until it ends; returns its exit code.

    Dagster's processes take their instance from DAGSTER_HOME, which only their own environment is
    given.
    """
    environment = os.environ | {"DAGSTER_HOME": str(paths.dagster)}
    command = [sys.executable, "-m", "dagster", "dev", "--port", str(port)]
    command += ["--module-name", "orchestration.definitions"]
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0


def port_is_free(port: int) -> bool:
    """Whether a server could listen on the port of this machine's own address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
