import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from media_files import encoded, picture
from PIL import Image

from models.media import DecodePool, MediaError, MediaLimits
from models.media.wire import Payload


@pytest.fixture
def posters(tmp_path: Path) -> Path:
    for number in range(12):
        picture(40 + number, 60).save(tmp_path / f"{number}.png")
    return tmp_path


def test_results_come_in_order_with_bounded_reading_ahead(posters: Path) -> None:
    asked: list[int] = []

    def items() -> Iterator[tuple[int, str]]:
        for number in range(12):
            asked.append(number)
            yield number, f"{number}.png"

    with DecodePool(posters, MediaLimits(), workers=2, prefetch=3) as pool:
        results = pool.map("inspect", items(), {"modality": "image"})
        first, payload = next(results)
        assert len(asked) == 3
        assert isinstance(payload, Payload) and payload.facts["width"] == 40
        assert [first, *(key for key, _ in results)] == list(range(12))


def test_a_file_that_takes_too_long_is_given_up(posters: Path) -> None:
    Image.new("RGB", (6000, 6000)).save(posters / "slow.png", compress_level=1)
    with DecodePool(posters, MediaLimits(timeout_seconds=0.01), workers=1) as pool:
        [(_, found)] = pool.map("inspect", [(0, "slow.png")], {"modality": "image"})
    assert isinstance(found, MediaError) and "0.01 s" in str(found)


def test_a_crashed_decoder_costs_one_file(posters: Path) -> None:
    with DecodePool(posters, MediaLimits(), workers=1) as pool:
        (_, crashed) = next(pool.map("no such task", [(0, "0.png")]))
        (_, fine) = next(pool.map("inspect", [(0, "0.png")], {"modality": "image"}))
    assert isinstance(crashed, MediaError) and "crashed" in str(crashed)
    assert isinstance(fine, Payload)


def test_a_decoder_that_something_else_has_ended_is_not_blamed_on_the_next_file(
    posters: Path,
) -> None:
    with DecodePool(posters, MediaLimits(), workers=1) as pool:
        for _ in range(3):
            (_, found) = next(pool.map("inspect", [(0, "0.png")], {"modality": "image"}))
            assert isinstance(found, Payload)
            process = pool._workers[0]._process
            assert process is not None
            process.kill()
            process.wait()
        (_, crashed) = next(pool.map("no such task", [(0, "0.png")]))
    assert isinstance(crashed, MediaError) and "crashed" in str(crashed)


def test_memory_of_a_decoder_is_bounded(posters: Path) -> None:
    if not Path("/proc/self/statm").is_file():
        pytest.skip("this platform has no limit on a process's memory")
    Image.new("RGB", (12_000, 12_000)).save(posters / "large.png", compress_level=1)
    limits = MediaLimits(max_pixels=10**9, max_bytes=10**8, timeout_seconds=60)
    tight = MediaLimits(max_pixels=15_000_000, timeout_seconds=60)
    assert tight.memory_budget < 400_000_000 < limits.memory_budget
    with DecodePool(posters, tight, workers=1) as pool:
        [(_, found)] = pool.map("inspect", [(0, "large.png")], {"modality": "image"})
    assert isinstance(found, Payload) and found.facts["status"] == "broken"


def test_bucketed_pixels_keep_the_aspect(posters: Path) -> None:
    (posters / "wide.jpg").write_bytes(encoded(picture(900, 400), "JPEG"))
    with DecodePool(posters, MediaLimits(), workers=1) as pool:
        found = dict(pool.map("bucketed_pixels", [("p", "0.png"), ("w", "wide.jpg")]))
    shapes = {key: value.arrays[0].shape for key, value in found.items()}  # type: ignore[union-attr]
    assert shapes == {"p": (1, 276, 184, 3), "w": (1, 160, 316, 3)}
    assert found["p"].arrays[0].dtype == np.uint8  # type: ignore[union-attr]


def test_closing_early_leaves_no_process_waiting(posters: Path) -> None:
    with DecodePool(posters, MediaLimits(), workers=2) as pool:
        results = pool.map("bucketed_pixels", [(n, f"{n}.png") for n in range(12)])
        next(results)
    assert all(worker._process is None for worker in pool._workers)


def test_workers_do_not_load_torch() -> None:
    program = "import sys, models.media.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
