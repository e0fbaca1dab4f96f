"""What callers send at random is answered as the description says, and never with a crash."""

import subprocess
import sys
from pathlib import Path

import pytest

from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from serving.keys import KeyRing

pytestmark = pytest.mark.slow

_UNSAYABLE = "positive_data_acceptance,unsupported_method"
"""A description cannot say which bytes are a picture, which instants lie in the past, or that an
item's id may hold a slash, so that one path may be read as two."""


def test_random_requests_find_nothing_but_what_is_described(url: str, copied: Settings) -> None:
    key = KeyRing(StatePaths(copied.home).api_keys).add("schemathesis", ["admin"])

    found = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{url}/openapi.json",
            "--header=Authorization: Bearer " + key,
            "--checks=all",
            f"--exclude-checks={_UNSAYABLE}",
            "--max-examples=20",
            "--request-timeout=30",
            "--seed=42",
            "--no-color",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.returncode == 0, found.stdout
