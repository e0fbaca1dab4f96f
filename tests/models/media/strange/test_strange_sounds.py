from pathlib import Path

import numpy as np
import pytest
import strange_sounds as strange
from media_files import sound, tone, wav

from models.media import MediaLimits, MediaRecord, inspect
from models.media.audio import decode_audio

LIMITS = MediaLimits()
CASES = {
    f"{kind}: {name}": case
    for kind, cases in (
        ("formats", strange.formats()),
        ("tags", strange.tagged()),
        ("junk", strange.with_junk()),
        ("no index", strange.without_index()),
        ("sizes", strange.sizes_of_recorders()),
    )
    for name, case in cases.items()
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a"


def heard(path: Path, content: bytes, limits: MediaLimits = LIMITS) -> MediaRecord:
    path.write_bytes(content)
    return inspect(path, "audio", limits)


@pytest.mark.parametrize("name", CASES)
def test_the_tone_is_there_from_its_begin_to_its_end(path: Path, name: str) -> None:
    content, note = CASES[name]
    record = heard(path, content)
    assert (record.status, record.error, record.note) == ("ok", None, note)
    assert record.seconds == pytest.approx(strange.SECONDS, abs=0.1)
    assert record.bytes == len(content)
    samples = decode_audio(path, LIMITS)
    for second in (0, 1, 2):
        part = samples[(second * 2 + 1) * 8000 : (second * 2 + 2) * 8000]
        assert np.abs(np.fft.rfft(part)).argmax() * 2 == pytest.approx(440, abs=4)


def test_tags_change_no_sample(path: Path) -> None:
    path.write_bytes(strange.mp3())
    plain = decode_audio(path, LIMITS)
    path.write_bytes(CASES["tags: all of them"][0])
    assert np.array_equal(decode_audio(path, LIMITS), plain)


def test_a_long_sound_without_an_index_has_its_length_from_its_frames(path: Path) -> None:
    record = heard(path, strange.without_index()["variable rate"][0], MediaLimits(max_seconds=0.5))
    assert record.seconds == pytest.approx(strange.SECONDS, abs=0.1)


def _holed(share: float) -> bytes:
    """A bare MP3 whose middle is zeros."""
    data = bytearray(strange.bare(strange.mp3()))
    hole = int(share * len(data))
    begin = (len(data) - hole) // 2
    data[begin : begin + hole] = bytes(hole)
    return bytes(data)


def test_a_tenth_may_be_lost_and_the_note_says_so(path: Path) -> None:
    some, much = heard(path, _holed(0.06)), heard(path, _holed(0.3))
    assert some.status == "ok" and "packets can't be decoded" in (some.note or "")
    assert much.status == "broken" and "of it can't be decoded" in (much.error or "")


def test_what_may_be_lost_is_a_setting(path: Path) -> None:
    strict, lenient = MediaLimits(max_lost_share=0.01), MediaLimits(max_lost_share=0.5)
    assert heard(path, _holed(0.06), strict).status == "broken"
    assert heard(path, _holed(0.3), lenient).status == "ok"


@pytest.mark.parametrize("kind", ["mp3", "flac", "wav", "ogg"])
def test_a_cut_sound_is_judged_by_how_much_is_gone(path: Path, kind: str) -> None:
    whole = {
        "mp3": lambda: strange.mp3(seconds=10),
        "flac": lambda: sound("flac", "flac", 44_100, 1, 10),
        "wav": lambda: wav(tone(10)[0]),
        "ogg": lambda: sound("ogg", "libopus", 48_000, 1, 10),
    }[kind]()
    half = heard(path, whole[: len(whole) // 2])
    most = heard(path, whole[: int(len(whole) * 0.93)])
    assert most.status == "ok"
    if kind == "ogg":
        # Its length stands in its last page: without it, nobody can know how much was there.
        assert half.status == "ok" and "lacks its end" in (half.note or "")
        assert "lacks its end" in (most.note or "")
        return
    assert half.status == "broken" and "cut short" in (half.error or "")
    assert "seconds are missing" in (most.note or "")


@pytest.mark.parametrize(
    ("place", "value"),
    [(22, b"\2\0"), (24, b"\0\x7d\0\0"), (34, b"\x18\0"), (20, b"\3\0"), (20, b"\6\0")],
    ids=["channels", "rate", "bits", "float", "a-law"],
)
def test_a_wav_header_that_contradicts_itself_is_named(
    path: Path, place: int, value: bytes
) -> None:
    whole = bytearray(strange.pcm())
    assert heard(path, bytes(whole)).status == "ok"
    whole[place : place + len(value)] = value
    record = heard(path, bytes(whole))
    assert record.status == "broken" and "its header tells of" in (record.error or "")


@pytest.mark.parametrize("codec", [0x0078, 0x0002, 0x0011, 0x0055, 0x0000, 0x2000])
def test_a_codec_in_a_wav_header_of_plain_samples_is_named(path: Path, codec: int) -> None:
    whole = bytearray(strange.pcm())
    whole[20:22] = codec.to_bytes(2, "little")
    record = heard(path, bytes(whole))
    assert record.status == "broken" and "names the codec" in (record.error or "")


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "pcm_alaw", "libmp3lame"])
def test_a_wav_of_a_codec_is_read(path: Path, codec: str) -> None:
    record = heard(path, sound("wav", codec, 44_100, 1, 4.0))
    assert (record.status, record.error) == ("ok", None)


@pytest.mark.parametrize("byte_rate", [0, 256_000])
def test_recorders_miscount_the_bytes_a_second(path: Path, byte_rate: int) -> None:
    whole = bytearray(strange.pcm())
    whole[28:32] = byte_rate.to_bytes(4, "little")
    assert heard(path, bytes(whole)).status == "ok"


@pytest.mark.parametrize("tail", [bytes(200_000), np.random.default_rng(5).bytes(200_000)])
def test_a_long_tail_is_no_lost_sound_where_the_header_counts_the_frames(
    path: Path, tail: bytes
) -> None:
    record = heard(path, strange.mp3() + tail)
    assert record.status == "ok" and "are no sound" in (record.note or "")


def test_a_tail_of_zeros_too_long_for_a_tag_is_lost_sound(path: Path) -> None:
    data = strange.bare(strange.mp3(seconds=30))
    assert heard(path, data[: len(data) // 3] + bytes(len(data) * 2 // 3)).status == "broken"


def test_a_size_that_counts_the_least_of_the_file_is_named(path: Path) -> None:
    whole = bytearray(strange.pcm())
    at = whole.index(b"data") + 4
    whole[at : at + 4] = (100).to_bytes(4, "little")
    record = heard(path, bytes(whole))
    assert record.status == "broken" and "counts 100 bytes of samples" in (record.error or "")
