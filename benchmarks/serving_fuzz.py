"""Random and hostile requests to the online service: crashes, hangs, and memory.

    python -m benchmarks.serving_fuzz [--home HOME] [--examples 60]

schemathesis sends what the service's own description allows and what it forbids; after it come
uploads that are made to break a decoder. The service works on a copy of the home.
"""

import argparse
import io
import subprocess
import sys
import time
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from benchmarks.serving_load import SEED, copied_home, held_by, ours, server
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace
from serving.keys import KeyRing

_UNSAYABLE = "positive_data_acceptance,unsupported_method"
_MOST_GROWTH = 200e6
_MOST_SECONDS = 5.0
_ROUNDS = 5


def main() -> int:
    """Runs the drill from the command line; 0 where nothing broke, hung or grew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, help="a state folder that a run has filled")
    parser.add_argument("--examples", type=int, default=60, help="most of each kind of request")
    chosen = parser.parse_args()
    with copied_home(load_settings(home=chosen.home).home) as home:
        workspace = Workspace(load_settings(home=home))
        key = KeyRing(workspace.paths.api_keys).add("fuzz", ["admin"])
        settings = {"CROSSMODAL_SERVE_KEY_RATE": "10000", "CROSSMODAL_SERVE_KEY_BURST": "10000"}
        with server(ours(workspace, 1, settings), "/readyz") as running:
            _uploads(running.url, key)
            before = held_by(running.pid).rss
            random = _random_requests(running.url, key, chosen.examples)
            rounds = [_uploads(running.url, key) for _ in range(_ROUNDS)]
            grown = held_by(running.pid).rss - before
            ready = httpx.get(f"{running.url}/readyz").is_success
    slowest, broken = max(seconds for seconds, _ in rounds), sum(failed for _, failed in rounds)
    print(
        f"schemathesis ended with {random}; hostile uploads: slowest {slowest:.2f} s, "
        f"{broken} answered with 5xx; memory grew by {grown / 1e6:.0f} MB; ready: {ready}."
    )
    good = random == 0 and slowest <= _MOST_SECONDS and not broken and grown <= _MOST_GROWTH
    return int(not (good and ready))


def _random_requests(url: str, key: str, examples: int) -> int:
    """The exit status of schemathesis, whose report goes to the terminal."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    chosen = [f"--max-examples={examples}", f"--seed={SEED}", "--request-timeout=30", "--no-color"]
    checks = ["--checks=all", f"--exclude-checks={_UNSAYABLE}"]
    header = f"--header=Authorization: Bearer {key}"
    words = [program, "run", f"{url}/openapi.json", header, *checks, *chosen]
    return subprocess.run(words, check=False).returncode


def _uploads(url: str, key: str) -> tuple[float, int]:
    """Sends every hostile file; returns the seconds of the slowest answer, and the 5xx."""
    seconds, broken = [], 0
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, timeout=60, headers=headers) as client:
        client.put("/v1/items/hostile", json={"title": "An item"}).raise_for_status()
        for modality, content in _hostile():
            begun = time.perf_counter()
            answer = client.put(f"/v1/items/hostile/media/{modality}", content=content)
            seconds.append(time.perf_counter() - begun)
            broken += answer.is_server_error
            if not answer.is_client_error:
                print(f"{len(content)} bytes as {modality}: {answer.status_code}", flush=True)
    return max(seconds), broken


def _hostile() -> Iterator[tuple[str, bytes]]:
    """Files that lie about what they are: a modality and its bytes."""
    picture, sound = _picture(64), _sound(16_000)
    for modality, good in (("image", picture), ("audio", sound)):
        yield modality, b""
        yield modality, good[: len(good) // 2]
        yield modality, good[:40] + bytes(1_000_000)
        yield modality, np.random.default_rng(SEED).bytes(1_000_000)
        yield modality, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    yield "image", sound
    yield "audio", picture
    yield "image", _huge_png(60_000)
    yield "audio", _sound(16_000 * 400)


def _picture(side: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 128, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def _huge_png(side: int) -> bytes:
    """A PNG of a few kilobytes whose header asks for side × side pixels."""
    small = bytearray(_picture(1))
    small[16:24] = side.to_bytes(4, "big") * 2
    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return bytes(small)


def _sound(samples: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(2 * samples))
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
