import sys
from pathlib import Path

import pytest
from media_files import hostile_pictures, hostile_sounds, path_tricks, pcm, picture

from models.media import DecodePool, MediaError, MediaLimits, MediaRecord, resolve_inside
from models.media.wire import Payload

PICTURES = hostile_pictures()
SOUNDS = hostile_sounds()
LIMITS = MediaLimits(timeout_seconds=60)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MediaRecord]:
    """Every hostile file, inspected by one pool, with a good file after each."""
    base = tmp_path_factory.mktemp("hostile")
    root = base / "root"
    root.mkdir()
    picture().save(base / "outside.png")
    (root / "good.wav").write_bytes(pcm())
    picture().save(root / "good.png")
    jobs = {"image": [*PICTURES], "audio": [*SOUNDS]}
    for name, content in {**PICTURES, **SOUNDS}.items():
        (root / name).write_bytes(content)
    jobs["image"] += path_tricks(root, base / "outside.png")
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
def test_peak_memory_stays_bounded(found: dict[str, MediaRecord]) -> None:
    import resource

    assert found
    unit = 1 if sys.platform == "darwin" else 1024
    largest_child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    assert 2 * largest_child < 1_500_000_000


@pytest.mark.parametrize("uri", ["../x.png", "/etc/hostname", "a/../../x", "..\\x", "C:\\x", ""])
def test_paths_that_lead_out_are_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(MediaError):
        resolve_inside(tmp_path, uri)


def test_a_link_may_point_inside_the_root(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert resolve_inside(tmp_path, "b.png") == (tmp_path / "a.png").resolve()
