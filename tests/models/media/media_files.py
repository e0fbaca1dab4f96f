"""Real files, good and hostile, made where a test needs them."""

import io
import os
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

LAYOUTS = {1: "mono", 2: "stereo"}


def picture(width: int = 60, height: int = 90, mode: str = "RGB") -> Image.Image:
    """Noise on a gradient: nothing a codec could store in a few bytes."""
    rng = np.random.default_rng(width * height)
    ramp = np.linspace(0, 200, width, dtype=np.float32)[None, :, None]
    pixels = ramp + rng.integers(0, 55, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tone(seconds: float = 1.0, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    """A 440 Hz tone (channels, n) float32 at a third of full scale."""
    instants = np.arange(int(seconds * rate)) / rate
    return np.repeat((0.33 * np.sin(2 * np.pi * 440 * instants))[None], channels, 0).astype("f4")


def sound(kind: str, codec: str, rate: int, channels: int, seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        track = container.add_stream(codec, rate=rate, layout=LAYOUTS[channels])
        _encode_sound(container, track, tone(seconds, rate, channels), rate)
    return buffer.getvalue()


def clip(
    width: int = 64, height: int = 48, seconds: float = 2.0, *, with_sound: bool = True
) -> bytes:
    """An MP4 that is red in its first half and blue in its second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        video: Any = container.add_stream("mpeg4", rate=8, options={"g": "4"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        track = container.add_stream("aac", rate=44_100, layout="mono") if with_sound else None
        count = int(seconds * 8)
        for number in range(count):
            pixels = np.zeros((height, width, 3), dtype=np.uint8)
            pixels[..., 0 if number < count / 2 else 2] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 8)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if track is not None:
            _encode_sound(container, track, tone(seconds, 44_100), 44_100)
    return buffer.getvalue()


def wav(samples: np.ndarray, rate: int = 16_000) -> bytes:
    """A float WAV (format 3) of any samples, also of those no recorder makes."""
    data = samples.astype("<f4").tobytes()
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, rate, rate * 4, 4, 32)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pcm(frames: int = 8000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone(frames / 16_000)[0] * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def png(width: int, height: int, data: bytes = b"\0" * 64, extra: bytes = b"") -> bytes:
    """A PNG of grey pixels whose header may claim anything."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), extra, chunk(b"IDAT", zlib.compress(data, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def hostile_pictures() -> dict[str, bytes]:
    """Broken and hostile picture files by name."""
    good = {kind: encoded(picture(), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF")}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("../../a.png", b"\0" * 5_000_000)
    rng = np.random.default_rng(0)
    text_bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 80_000_000, 9))
    lossless = b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + b"\0" * 32
    webp = b"WEBPVP8L" + struct.pack("<I", len(lossless)) + lossless
    return {
        "empty.jpg": b"",
        "one-byte.png": b"\x89",
        "text.jpg": b"this is no picture\n" * 50,
        "page.png": b"<!doctype html><html><body>404 Not Found</body></html>",
        "drawing.jpg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///x"/></svg>',
        "paper.png": b"%PDF-1.7\n" + b"x" * 500,
        "archive.jpg": archive.getvalue(),
        "noise.webp": rng.bytes(5000),
        "cut.jpg": good["JPEG"][: len(good["JPEG"]) // 2],
        "head.jpg": good["JPEG"][:120],
        "cut.png": good["PNG"][: len(good["PNG"]) // 2],
        "cut.gif": good["GIF"][:60],
        "cut.webp": good["WEBP"][: len(good["WEBP"]) // 2],
        "cut.tiff": good["TIFF"][: len(good["TIFF"]) // 2],
        "noisy.jpg": good["JPEG"][:20] + rng.bytes(4000),
        "crc.png": good["PNG"][:45] + bytes(8) + good["PNG"][53:],
        "huge.png": png(50_000, 50_000),
        "real-bomb.png": png(30_000, 30_000, b"\0" * 60_000_000),
        "largest.png": png(2**31 - 1, 2**31 - 1),
        "flat.png": png(0, 10),
        "text-bomb.png": png(8, 8, b"\0" * 72, text_bomb),
        "huge.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + _gif_frame(),
        "huge.webp": b"RIFF" + struct.pack("<I", len(webp)) + webp,
        "huge.tiff": _tiff(100_000, 100_000),
        "huge.bmp": _bmp(60_000, 60_000),
        "minus.bmp": _bmp(-5, 2**31 - 1),
        "wide.png": encoded(Image.new("1", (50_000, 1000)), "PNG"),
        "sound.jpg": pcm(),
    }


def hostile_sounds() -> dict[str, bytes]:
    """Broken and hostile sound files by name."""
    good = pcm()
    flac = sound("flac", "flac", 16_000, 1)
    m4a = sound("ipod", "aac", 44_100, 1)
    rng = np.random.default_rng(1)
    ramp = np.zeros(4000, dtype=np.float32)
    poisoned, endless, loud = ramp.copy(), ramp.copy(), ramp.copy()
    poisoned[2000], endless[2000], loud[2000] = np.nan, np.inf, 1e30
    return {
        "empty.wav": b"",
        "text.mp3": b"no sound here\n" * 40,
        "list.mp3": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        "concat.wav": b"ffconcat version 1.0\nfile '../secret.wav'\n",
        "nan.wav": wav(poisoned),
        "inf.wav": wav(endless),
        "loud.wav": wav(loud),
        "silent-head.wav": wav(ramp[:0]),
        "claims.wav": good[:40] + struct.pack("<I", 0x70000000) + good[44:],
        "cut.wav": good[:5000],
        "no-channels.wav": good[:22] + b"\0\0" + good[24:],
        "no-rate.wav": good[:24] + bytes(8) + good[32:],
        "many-channels.wav": good[:22] + b"\xff\xff" + good[24:],
        "noise.mp3": b"ID3\x04\0\0\0\0\0\0" + rng.bytes(6000),
        "cut.flac": flac[: len(flac) // 2],
        "head.flac": flac[:60],
        "head.ogg": sound("ogg", "libopus", 48_000, 1)[:70],
        "cut.m4a": m4a[: len(m4a) // 2],
        "text.mp4": b"\0\0\0\x18ftypisom" + b"x" * 500,
        "head.webm": b"\x1aE\xdf\xa3" + b"\0" * 300,
        "picture.wav": encoded(picture(), "PNG"),
    }


def path_tricks(root: Path, outside: Path) -> list[str]:
    """Makes traps below `root` and returns the URIs that lead into them."""
    (root / "folder.jpg").mkdir()
    uris = ["../outside.png", "a/../../outside.png", str(outside), "folder.jpg", "", "a\0.png"]
    uris += ["..\\outside.png", "C:\\outside.png"]
    sparse = root / "sparse.png"
    with sparse.open("wb") as file:
        file.truncate(60_000_000_000)
    links: dict[str, Callable[[Path], None]] = {
        "link.png": lambda path: path.symlink_to(outside),
        "loop.png": lambda path: path.symlink_to(path),
        "zeros.png": lambda path: path.symlink_to("/dev/zero"),
    }
    if hasattr(os, "mkfifo"):
        links["pipe.png"] = os.mkfifo
    for name, make in links.items():
        make(root / name)
    return [*uris, "sparse.png", *links]


def _encode_sound(container: Any, track: Any, samples: np.ndarray, rate: int) -> None:
    layout = LAYOUTS[len(samples)]
    resampler = av.AudioResampler(
        format=track.format, layout=layout, rate=rate, frame_size=track.codec_context.frame_size
    )
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(track.encode(piece))
    container.mux(track.encode(None))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _gif_frame() -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x08\x02\x00\x01\x00;"


def _tiff(width: int, height: int) -> bytes:
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (278, height)]
    tags.append((279, 100))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 100


def _bmp(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 100, 0, 0, 54) + head + b"\0" * 100
