"""An encoding that is interrupted: what it had done is not done again."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from small_platform import small_settings

from assets.encoding import Watch, encode_incrementally, list_column
from assets.table_asset import Making, table_asset
from crossmodal.workspace import Workspace

_CONTENTS = pl.DataFrame(
    {"content_sha256": [hashlib.sha256(str(n).encode()).hexdigest() for n in range(20_000)]}
)


class Encoder:
    """Counts what it encodes, and stops at a row if it is told to."""

    def __init__(self, stops_after: int | None = None) -> None:
        self.encoded, self._stops_after = 0, stops_after

    def __call__(self, frames: Sequence[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for rows in frames:
            if self._stops_after is not None and self.encoded + rows.height > self._stops_after:
                raise KeyboardInterrupt
            self.encoded += rows.height
            numbers = [int(key[:4], 16) for key in rows["content_sha256"]]
            vectors = np.array(numbers, dtype=np.float32)[:, None]
            yield rows.select(
                "content_sha256",
                list_column(vectors, "features"),
                failure=pl.lit(None, pl.String),
                device=pl.lit("cpu"),
            )


def encoded_by(encoder: Encoder, fingerprint: str = "first") -> dg.AssetsDefinition:
    @table_asset(
        name="text_features",
        group="embeddings",
        kinds={"numpy"},
        code_version="1",
        choices=lambda workspace: {"fingerprint": fingerprint},
    )
    def made(making: Making) -> None:
        watch = Watch(making.workspace, "Encoding", _CONTENTS.height)
        encode_incrementally(making, "text_features", _CONTENTS, fingerprint, encoder, watch)

    return made


Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def once(asset: dg.AssetsDefinition, *forced: str, takes_up: str = "") -> None:
        workspace = Workspace(small_settings(tmp_path), forced=frozenset(forced))
        tags = {"dagster/root_run_id": takes_up} if takes_up else {}
        assert dg.materialize([asset], resources={"workspace": workspace}, tags=tags).success

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


def test_a_forced_encoding_goes_on_where_it_is_taken_up_and_begins_again_elsewhere(
    run: Run,
) -> None:
    run(encoded_by(Encoder()))
    with pytest.raises(KeyboardInterrupt):
        run(encoded_by(Encoder(stops_after=10_000)), "text_features")
    with pytest.raises(KeyboardInterrupt):
        run(encoded_by(stopped := Encoder(stops_after=10_000)), "text_features", takes_up="a run")
    assert stopped.encoded == 8192, "what another run had forced counts for nothing"
    run(encoded_by(rest := Encoder()), "text_features", takes_up="a run")
    assert stopped.encoded + rest.encoded == _CONTENTS.height


@pytest.mark.parametrize("at", [200, -200], ids=["a bit has changed", "it was cut"])
def test_a_damaged_chunk_is_encoded_again(run: Run, tmp_path: Path, at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(encoded_by(Encoder(stops_after=10_000)))
    (chunk,) = Workspace(small_settings(tmp_path)).paths.unfinished.rglob("*.parquet")
    content = bytearray(chunk.read_bytes())
    content[at] ^= 1
    chunk.write_bytes(content if at > 0 else content[:at])
    run(encoded_by(whole := Encoder()))
    assert whole.encoded == _CONTENTS.height
