from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_files import clip, encoded, pcm, picture, sound, tone, wav
from PIL import Image

from models.media import MediaError, MediaLimits, inspect, sniff
from models.media.audio import decode_audio
from models.media.images import AREA, bucket, decode_image
from models.media.limits import MediaMissingError
from models.media.video import decode_frames

LIMITS = MediaLimits()
PICTURE_KINDS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
SOUND_KINDS = [
    ("wav", "pcm_s16le", 22_050, 2, "audio/wav"),
    ("wav", "pcm_f32le", 48_000, 1, "audio/wav"),
    ("flac", "flac", 44_100, 1, "audio/flac"),
    ("ogg", "libopus", 24_000, 2, "audio/ogg"),
    ("mp3", "libmp3lame", 44_100, 2, "audio/mpeg"),
    ("ipod", "aac", 44_100, 2, "audio/mp4"),
    ("adts", "aac", 44_100, 1, "audio/aac"),
    ("webm", "libopus", 48_000, 1, "video/webm"),
    ("matroska", "flac", 48_000, 1, "video/x-matroska"),
]


@pytest.mark.parametrize(("kind", "mime"), PICTURE_KINDS.items())
def test_pictures_of_every_format(tmp_path: Path, kind: str, mime: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(picture(), kind))
    record = inspect(path, "image", LIMITS)
    assert (record.status, record.mime, record.width, record.height) == ("ok", mime, 60, 90)
    assert record.bytes == path.stat().st_size and len(record.sha256 or "") == 64
    assert decode_image(path, LIMITS).mode == "RGB"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "F"])
def test_pictures_of_every_mode(tmp_path: Path, mode: str) -> None:
    kind = "TIFF" if mode == "F" else "PNG"
    source = Image.fromarray(np.full((9, 6), 300, dtype=np.uint16)) if mode == "I;16" else None
    path = tmp_path / "a"
    path.write_bytes(encoded(source or picture(6, 9, mode), kind))
    decoded = decode_image(path, LIMITS)
    assert decoded.mode == "RGB" and decoded.size == (6, 9)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(image, "JPEG", exif=exif, quality=95))
    decoded = np.asarray(decode_image(path, LIMITS)).astype(int)
    assert decoded.shape == (40, 20, 3)
    assert decoded[5, 10, 2] > 200 and decoded[35, 10, 0] > 200
    assert inspect(path, "image", LIMITS).height == 40


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_composed_on_white(tmp_path: Path, kind: str) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (4, 0, 8, 8))
    path = tmp_path / "a"
    path.write_bytes(
        encoded(image, kind, lossless=True) if kind == "WEBP" else encoded(image, kind)
    )
    decoded = np.asarray(decode_image(path, LIMITS))
    assert decoded[0, 0].tolist() == [255, 255, 255] and decoded[0, 7].tolist() == [0, 0, 255]


def test_palette_transparency_is_composed_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((3, 3), 1)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(image, "PNG", transparency=0))
    decoded = np.asarray(decode_image(path, LIMITS))
    assert decoded[0, 0].tolist() == [255, 255, 255] and decoded[3, 3].tolist() == [0, 0, 255]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(Image.new("RGB", (16, 16), (200, 40, 40)).convert("CMYK"), "JPEG"))
    decoded = np.asarray(decode_image(path, LIMITS)).mean((0, 1))
    assert np.abs(decoded - [200, 40, 40]).max() < 12


@pytest.mark.parametrize(("kind", "codec", "rate", "channels", "mime"), SOUND_KINDS)
def test_sounds_of_every_format(
    tmp_path: Path, kind: str, codec: str, rate: int, channels: int, mime: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(sound(kind, codec, rate, channels))
    samples = decode_audio(path, LIMITS)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert abs(len(samples) - 16_000) < 1600
    middle = samples[4000:12_000]
    assert np.abs(np.fft.rfft(middle)).argmax() * 16_000 / len(middle) == pytest.approx(440, abs=4)
    assert np.abs(middle).max() == pytest.approx(0.33, abs=0.05)
    record = inspect(path, "audio", LIMITS)
    assert (record.status, record.mime) == ("ok", mime)
    assert record.seconds == pytest.approx(1.0, abs=0.1)


def test_only_so_many_seconds_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(pcm(32_000))
    limits = MediaLimits(max_seconds=0.5)
    assert len(decode_audio(path, limits)) == 8000
    assert inspect(path, "audio", limits).seconds == pytest.approx(2.0)


def test_a_stream_of_unknown_length_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    content = pcm()
    path.write_bytes(content[:4] + b"\xff" * 4 + content[8:40] + b"\xff" * 4 + content[44:])
    assert inspect(path, "audio", LIMITS).status == "ok"


def test_samples_beyond_full_scale_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone()[0] * 6))
    assert decode_audio(path, LIMITS).max() == pytest.approx(1.98, abs=0.02)


def test_a_video_gives_frames_and_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(clip())
    frames = decode_frames(path, LIMITS)
    assert 2 <= len(frames) <= LIMITS.max_frames
    colours = [np.asarray(frame).mean((0, 1)).argmax() for frame in (frames[0], frames[-1])]
    assert colours == [0, 2]
    assert len(decode_frames(path, MediaLimits(max_frames=1))) == 1
    as_image, as_audio = inspect(path, "image", LIMITS), inspect(path, "audio", LIMITS)
    assert (as_image.mime, as_image.width, as_image.height) == ("video/mp4", 64, 48)
    assert as_audio.status == "ok" and as_audio.seconds == pytest.approx(2.0, abs=0.1)
    assert as_image.sha256 == as_audio.sha256


def test_a_video_without_sound_has_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(clip(with_sound=False))
    assert inspect(path, "audio", LIMITS).status == "missing"
    with pytest.raises(MediaMissingError, match="sound track"):
        decode_audio(path, LIMITS)


def test_a_large_video_is_scaled_down_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(clip(1280, 720, 0.5, with_sound=False))
    assert max(decode_frames(path, LIMITS)[0].size) == 512
    with pytest.raises(MediaError, match="1280 x 720"):
        decode_frames(path, MediaLimits(max_pixels=100_000))


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    assert inspect(tmp_path / "none.jpg", "image", LIMITS).status == "missing"


def test_a_file_too_large_keeps_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(picture(), "PNG"))
    record = inspect(path, "image", MediaLimits(max_bytes=100))
    assert record.status == "broken" and record.bytes == path.stat().st_size
    assert "allowed" in (record.error or "")


@given(st.binary(max_size=64))
def test_sniffing_takes_any_bytes(head: bytes) -> None:
    sniff(head)


@given(st.text(min_size=1, max_size=200))
def test_text_is_no_sound(text: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        found = sniff(text.encode(encoding))
        assert found is None or found.kind == "picture" or text.startswith(("ID3", "fLaC", "OggS"))


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_buckets_have_one_area(width: int, height: int) -> None:
    across, down = bucket(width, height)
    assert abs(across * down / AREA - 1) < 0.02
    assert (across >= down) == (width >= height) or abs(np.log(width / height)) < 0.16
