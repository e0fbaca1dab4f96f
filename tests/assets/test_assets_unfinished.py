"""An encoding that is interrupted: what it had done is not done again."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from small_platform import small_settings

from assets.encoding import encode_incrementally, list_column
from assets.table_asset import Making, table_asset
from crossmodal.workspace import Workspace

_CONTENTS = pl.DataFrame(
    {"content_sha256": [hashlib.sha256(str(n).encode()).hexdigest() for n in range(20_000)]}
)


class Encoder:
    """Counts what it encodes, and stops at a row if it is told to."""

    def __init__(self, stops_after: int | None = None) -> None:
        self.encoded, self._stops_after = 0, stops_after

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self._stops_after is not None and self.encoded + rows.height > self._stops_after:
            raise KeyboardInterrupt
        self.encoded += rows.height
        numbers = [int(key[:4], 16) for key in rows["content_sha256"]]
        vectors = np.array(numbers, dtype=np.float32)[:, None]
        return rows.select("content_sha256").with_columns(list_column(vectors, "features"))


def encoded_by(encoder: Encoder, fingerprint: str = "first") -> dg.AssetsDefinition:
    @table_asset(
        name="text_features",
        group="embeddings",
        kinds={"numpy"},
        code_version="1",
        choices=lambda workspace: {"fingerprint": fingerprint},
    )
    def made(making: Making) -> None:
        encode_incrementally(
            making, "text_features", _CONTENTS, fingerprint, encoder, lambda rows: None
        )

    return made


Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def once(asset: dg.AssetsDefinition, *forced: str) -> None:
        workspace = Workspace(small_settings(tmp_path), forced=frozenset(forced))
        assert dg.materialize([asset], resources={"workspace": workspace}).success

    return once


def test_the_next_run_encodes_the_rest_and_makes_the_same_table(run: Run, tmp_path: Path) -> None:
    workspace = Workspace(small_settings(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        run(encoded_by(stopped := Encoder(stops_after=10_000)))
    assert 0 < stopped.encoded < _CONTENTS.height
    assert not workspace.lake.exists("text_features")
    run(encoded_by(rest := Encoder()))
    assert stopped.encoded + rest.encoded == _CONTENTS.height
    assert not any(workspace.paths.unfinished.iterdir()), "nothing is left behind"
    version = workspace.lake.version("text_features")
    run(encoded_by(whole := Encoder()), "text_features")
    assert whole.encoded == _CONTENTS.height
    assert workspace.lake.version("text_features").data_version == version.data_version


def test_what_another_encoder_had_done_is_not_taken_over(run: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(encoded_by(Encoder(stops_after=10_000)))
    run(encoded_by(other := Encoder(), "second"))
    assert other.encoded == _CONTENTS.height
    assert Workspace(small_settings(tmp_path)).lake.read("text_features").height == other.encoded


def test_a_forced_encoding_that_was_interrupted_goes_on_too(run: Run) -> None:
    run(encoded_by(Encoder()))
    with pytest.raises(KeyboardInterrupt):
        run(encoded_by(stopped := Encoder(stops_after=10_000)), "text_features")
    run(encoded_by(rest := Encoder()), "text_features")
    assert stopped.encoded + rest.encoded == _CONTENTS.height
