import subprocess
import sys
from pathlib import Path

import pytest
from media_files import hostile_pictures, hostile_sounds, path_tricks, pcm, picture

from models.media import DecodePool, MediaError, MediaLimits, MediaRecord, resolve_inside
from models.media.wire import Payload

PICTURES = hostile_pictures()
SOUNDS = hostile_sounds()
LIMITS = MediaLimits(timeout_seconds=60)


MEASURE = """
import resource, sys
from pathlib import Path
from models.media import DecodePool, MediaLimits
root = Path(sys.argv[1])
files = [(path.name, path.name) for path in sorted(root.iterdir()) if path.is_file()]
with DecodePool(root, MediaLimits(timeout_seconds=60), workers=1) as pool:
    for modality in ("image", "audio"):
        list(pool.map("inspect", files, {"modality": modality}))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Decodes every file of a folder and prints the memory of the largest decoder: in a process of its
own, whose other children cannot be counted in."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of hostile files, and two good ones."""
    root = tmp_path_factory.mktemp("hostile") / "root"
    root.mkdir()
    (root / "good.wav").write_bytes(pcm())
    picture().save(root / "good.png")
    for name, content in {**PICTURES, **SOUNDS}.items():
        (root / name).write_bytes(content)
    return root


@pytest.fixture(scope="module")
def found(hostile: Path) -> dict[str, MediaRecord]:
    """Every hostile file, inspected by one pool, with a good file after each."""
    root, outside = hostile, hostile.parent / "outside.png"
    picture().save(outside)
    jobs = {"image": [*PICTURES], "audio": [*SOUNDS]}
    jobs["image"] += path_tricks(root, outside)
    records = {}
    with DecodePool(root, LIMITS, workers=2) as pool:
        for modality, names in jobs.items():
            good = "good.png" if modality == "image" else "good.wav"
            uris = [uri for name in names for uri in (name, good)]
            for uri, answer in pool.map(
                "inspect", [(uri, uri) for uri in uris], {"modality": modality}
            ):
                if uri in (good,):
                    assert isinstance(answer, Payload) and answer.facts["status"] == "ok", uri
                elif isinstance(answer, MediaError):
                    records[uri] = MediaRecord(status="broken", error=str(answer))
                else:
                    records[uri] = MediaRecord(**answer.facts)
    return records


def test_every_hostile_file_gets_a_row_with_a_reason(found: dict[str, MediaRecord]) -> None:
    assert len(found) >= 40
    fine = {name for name, record in found.items() if record.status == "ok"}
    # A picture may carry a text too long to read; its pixels are good all the same.
    assert fine <= {"text-bomb.png"}
    assert all(record.error for name, record in found.items() if name not in fine)


def test_reasons_are_sentences(found: dict[str, MediaRecord]) -> None:
    for record in found.values():
        assert record.error is None or (record.error[0].isupper() and record.error.endswith("."))


@pytest.mark.skipif(sys.platform == "win32", reason="resource is a POSIX module")
def test_peak_memory_stays_bounded(hostile: Path) -> None:
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, str(hostile)], capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert 2 * int(measured.stdout) * unit < 1_500_000_000


@pytest.mark.parametrize("uri", ["../x.png", "/etc/hostname", "a/../../x", "..\\x", "C:\\x", ""])
def test_paths_that_lead_out_are_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(MediaError):
        resolve_inside(tmp_path, uri)


def test_a_link_may_point_inside_the_root(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert resolve_inside(tmp_path, "b.png") == (tmp_path / "a.png").resolve()
