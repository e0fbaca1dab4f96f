from pathlib import Path

import numpy as np
import pytest
import strange_videos as strange

from models.media import MediaLimits, inspect
from models.media.video import decode_frames

LIMITS = MediaLimits()
FORMATS = strange.formats()
RED, GREEN = 0, 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a"


@pytest.mark.parametrize("name", FORMATS)
def test_videos_of_every_container(path: Path, name: str) -> None:
    path.write_bytes(FORMATS[name])
    record = inspect(path, "image", LIMITS)
    assert (record.status, record.error) == ("ok", None)
    assert (record.width, record.height) == (strange.WIDTH, strange.HEIGHT)
    frame = np.asarray(decode_frames(path, LIMITS)[0]).mean(axis=0)
    assert frame[:40].mean(axis=0).argmax() == RED and frame[-40:].mean(axis=0).argmax() == GREEN


@pytest.mark.parametrize("kind", ["mp4", "mov"])
@pytest.mark.parametrize(
    ("degrees", "first", "axis"), [(0, RED, 0), (90, RED, 1), (180, GREEN, 0), (270, GREEN, 1)]
)
def test_size_and_frames_are_those_that_a_player_shows(
    path: Path, kind: str, degrees: int, first: int, axis: int
) -> None:
    path.write_bytes(strange.turned(degrees, kind))
    record = inspect(path, "image", LIMITS)
    shown = (strange.WIDTH, strange.HEIGHT)
    assert (record.width, record.height) == (shown if axis == 0 else shown[::-1])
    frame = decode_frames(path, LIMITS)[0]
    assert frame.size == (record.width, record.height)
    along = np.asarray(frame).mean(axis=axis)
    assert along[:20].mean(axis=0).argmax() == first
    assert along[-20:].mean(axis=0).argmax() == 1 - first
