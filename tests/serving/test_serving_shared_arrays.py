"""Arrays that processes map instead of holding a copy each."""

import os
from pathlib import Path

import numpy as np
import pytest

from serving.shared_arrays import SharedArrays


def test_equal_arrays_are_one_file_and_cannot_be_written_to(tmp_path: Path) -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    one, other = SharedArrays(tmp_path / "arrays"), SharedArrays(tmp_path / "arrays")
    mapped = one.shared(vectors), other.shared(vectors.copy())
    assert len(list((tmp_path / "arrays").iterdir())) == 1
    for array in mapped:
        assert type(array) is np.ndarray and np.array_equal(array, vectors)
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
    assert one.shared(vectors.astype(np.float64)).dtype == np.float64
    assert one.shared(np.zeros((0, 4), dtype=np.float32)).shape == (0, 4)


def test_what_nobody_uses_any_more_is_removed_after_a_while(tmp_path: Path) -> None:
    old, new = SharedArrays(tmp_path), SharedArrays(tmp_path)
    before = old.shared(np.ones(5))
    (path,) = tmp_path.iterdir()
    after = new.shared(np.zeros(5))
    new.sweep()
    assert path.is_file(), "another process may be about to map it"
    os.utime(path, (0, 0))
    new.sweep()
    assert not path.is_file()
    assert before.sum() == 5 and after.sum() == 0, "what is mapped stays"
