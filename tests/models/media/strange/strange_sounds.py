"""Sounds as people have them: the same tone in every file, with what tools and recorders do to it.

Each case is the file's bytes and the note that must be said of it, None where nothing is missing.
"""

import io
import struct

import av
import numpy as np
from media_files import LAYOUTS, sound, tone, wav

SECONDS = 4.0
Cases = dict[str, tuple[bytes, str | None]]

ID3V1 = (
    b"TAG"
    + b"Information Society".ljust(30, b"\0")
    + b"\0" * 60
    + b"2018"
    + b"www.example.org".ljust(30, b"\0")
    + b"\x0c"
)
LYRICS = b"LYRICSBEGININD0000210LYR00000000029"


def mp3(rate: int = 44_100, channels: int = 1, seconds: float = SECONDS) -> bytes:
    """With the ID3 tag and Info header that FFmpeg writes."""
    return sound("mp3", "libmp3lame", rate, channels, seconds)


def bare(data: bytes) -> bytes:
    """An MP3 without tag and Info header, as recorders and streams write it."""
    header = data.index(b"Info")
    return data[data.index(b"\xff\xfb", header) :]


def id3v2(payload: bytes, declared: int | None = None, flags: int = 0) -> bytes:
    size = len(payload) if declared is None else declared
    return b"ID3\4\0" + bytes([flags]) + _synchsafe(size) + payload


def artist(name: bytes) -> bytes:
    """An ID3v2.4 tag that names the artist."""
    text = b"\3" + name
    return id3v2(b"TPE1" + _synchsafe(len(text)) + b"\0\0" + text)


def ape(payload: bytes, header: bool = True) -> bytes:
    size = len(payload) + 32
    flags = (1 << 31) if header else 0
    foot = struct.pack("<8sIIII8x", b"APETAGEX", 2000, size, 1, flags)
    head = struct.pack("<8sIIII8x", b"APETAGEX", 2000, size, 1, flags | 1 << 29)
    return (head if header else b"") + payload + foot


def lyrics2(text: bytes = b"LYR00000000029") -> bytes:
    body = b"LYRICSBEGIN" + text
    return body + b"%06d" % len(body) + b"LYRICS200"


def formats() -> Cases:
    """Formats that FFmpeg reads, told by their bytes."""
    made = {
        "aiff": ("aiff", "pcm_s16be", 44_100),
        "caf": ("caf", "pcm_s16le", 44_100),
        "au": ("au", "pcm_s16be", 16_000),
        "w64": ("w64", "pcm_s16le", 16_000),
        "wavpack": ("wv", "wavpack", 44_100),
        "windows media": ("asf", "libmp3lame", 44_100),
        "mp2": ("mp2", "mp2", 44_100),
        "adpcm": ("wav", "adpcm_ima_wav", 22_050),
        "mp3 in wav": ("wav", "libmp3lame", 44_100),
        "a-law": ("wav", "pcm_alaw", 8000),
        "mp3 in transport": ("mpegts", "libmp3lame", 44_100),
        "quicktime with sound alone": ("mov", "aac", 44_100),
    }
    return {
        **{
            name: (sound(kind, codec, rate, 1, SECONDS), None)
            for name, (kind, codec, rate) in made.items()
        },
        **{f"{count} channels": (of_channels(count), None) for count in (3, 8, 9, 16)},
    }


def tagged() -> Cases:
    """Tags of every kind, before and after sounds of every kind that has none of its own."""
    plain = mp3()
    flac = sound("flac", "flac", 44_100, 1, SECONDS)
    adts = sound("adts", "aac", 44_100, 1, SECONDS)
    cover = np.random.default_rng(3).bytes(300_000)
    return {
        "lyrics and id3v1": (plain + LYRICS + b"LYRICS200" + ID3V1, None),
        "lyrics with a size": (plain + lyrics2() + ID3V1, None),
        "lyrics of the first version": (plain + b"LYRICSBEGINla la laLYRICSEND" + ID3V1, None),
        "ape with a cover and id3v1": (plain + ape(cover) + ID3V1, None),
        "ape without a header": (plain + ape(b"x" * 900, header=False), None),
        "ape on bare frames": (bare(plain) + ape(cover), None),
        "all of them": (plain + ape(b"x" * 90) + lyrics2() + ID3V1, None),
        "id3v1 twice": (plain + ID3V1 + ID3V1, None),
        "id3v2 at the end": (plain + id3v2(b"x" * 70) + b"3DI\4\0\x10" + _synchsafe(70), None),
        "id3v2 twice": (id3v2(b"\0" * 99) + id3v2(cover) + bare(plain), None),
        "id3v2 with a footer": (
            id3v2(b"\0" * 50, flags=0x10) + b"3DI\4\0\x10" + _synchsafe(50) + bare(plain),
            None,
        ),
        "id3v2 whose padding is not counted": (
            id3v2(b"\0" * 900, declared=100) + bare(plain),
            None,
        ),
        **{
            f"id3v2 that counts {bytes_more} bytes of the sound": (
                id3v2(b"\0" * 90, declared=90 + bytes_more) + bare(plain),
                None,
            )
            for bytes_more in (1, 128, 418, 1664)
        },
        "id3v2 longer than the file": (id3v2(b"\0" * 90, declared=9_000_000) + bare(plain), None),
        "id3v2 before flac": (id3v2(cover) + flac, None),
        "id3v1 after flac": (flac + ID3V1, None),
        "id3v2 before adts": (id3v2(b"x" * 5000) + adts, None),
        "id3v1 after adts": (adts + ape(b"x" * 800) + ID3V1, None),
        "id3v2 before ogg": (id3v2(cover) + sound("ogg", "libopus", 48_000, 1, SECONDS), None),
        "id3v2 before wav": (id3v2(b"x" * 90) + wav(tone(SECONDS)[0]), None),
        "id3v2 before m4a": (id3v2(b"x" * 90) + sound("ipod", "aac", 44_100, 1, SECONDS), None),
    }


def with_junk() -> Cases:
    """Bytes that are no sound before, after and within sounds."""
    plain, rng = mp3(), np.random.default_rng(0)
    junk = rng.bytes(8192)
    bad = bare(plain)
    middle = len(bad) // 2
    after = "The last {:,} bytes of the file are no sound; the rest is used."
    adts = sound("adts", "aac", 44_100, 1, SECONDS)
    flac = sound("flac", "flac", 44_100, 1, SECONDS)
    return {
        "junk after": (plain + junk, after.format(8192)),
        "zeros after": (plain + bytes(5000), after.format(5000)),
        "a web page after": (plain + b"<html>not found</html>" * 9, after.format(198)),
        "zeros before": (bytes(5000) + plain, None),
        "zeros before bare frames": (bytes(70_000) + bare(plain), None),
        "junk before": (junk + bare(plain), None),
        "a server's headers before": (b"ICY 200 OK\r\nicy-br:64\r\n\r\n" + bare(plain), None),
        "zeros before adts": (bytes(999) + adts, None),
        "junk after adts": (adts + junk, None),
        "zeros before flac": (bytes(64) + flac, None),
        "junk after flac": (flac + junk, None),
        "junk after ogg": (sound("ogg", "libopus", 48_000, 1, SECONDS) + junk, None),
        "junk after wav": (
            wav(tone(SECONDS)[0]) + junk,
            "Its header does not count the last 8,192 bytes of the file; the rest is used.",
        ),
        "zeros after wav": (wav(tone(SECONDS)[0]) + bytes(999), None),
        "a chunk after wav": (wav(tone(SECONDS)[0]) + b"LIST\4\0\0\0INFO", None),
        "junk within": (
            bad[:middle] + junk[:900] + bad[middle:],
            "1 of its 155 packets can't be decoded; the rest is used.",
        ),
        "two rates spliced": (
            bare(mp3(seconds=SECONDS / 2)) + bare(mp3(rate=32_000, channels=2, seconds=2.0)),
            None,
        ),
    }


def without_index() -> Cases:
    """MP3s that don't say how long they are, and names that look as if they did."""
    variable = _variable_rate()
    return {
        "variable rate": (variable, None),
        "Info in a tag": (artist(b"Information Society") + variable, None),
        "Xing in a tag": (artist(b"Xing Xing") + id3v2(b"Info" * 9) + variable, None),
        "VBRI in a tag": (artist(b"VBRI") + variable, None),
        "Info at the end": (variable + ID3V1, None),
        "variable rate with a header": (_variable_rate(header=True), None),
    }


def sizes_of_recorders() -> Cases:
    """WAV files whose sizes were never set, set to the largest number, or to the file's."""
    good = pcm()
    length = len(good)
    cases: Cases = {}
    for riff in (0, 36, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFF + 36, length, length - 8):
        for data in (0, 0x7FFFFFFF, 0x7FFFFFFF - 36, 0x7FFFF000, 0xFFFFFFFF, length, length - 44):
            cases[f"{riff:#x} {data:#x}"] = (_sized(good, riff, data), None)
    cases["a note before the samples"] = (_sized(good, 0x7FFFFFFF, 0xFFFFFFFF, b"LIST"), None)
    cases["RF64"] = (_rf64(good), None)
    return cases


def pcm(order: str = "<") -> bytes:
    samples = (tone(SECONDS)[0] * 32767).astype(f"{order}i2").tobytes()
    head = struct.pack(f"{order}4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    body = b"WAVE" + head + struct.pack(f"{order}4sI", b"data", len(samples)) + samples
    name = b"RIFF" if order == "<" else b"RIFX"
    return name + struct.pack(f"{order}I", len(body)) + body


def of_channels(channels: int) -> bytes:
    """A WAV with the tone in every channel, as recorders of many microphones write it."""
    samples = np.repeat((tone(SECONDS)[0] * 32767).astype("<i2")[:, None], channels, 1).tobytes()
    align = 2 * channels
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, 16_000, 16_000 * align, align, 16)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _sized(good: bytes, riff: int, data: int, before: bytes = b"") -> bytes:
    extra = before and before + struct.pack("<I", 26) + b"INFOISFT\x0e\0\0\0Lavf60.16.10\0\0"
    sizes = struct.pack("<I", riff), struct.pack("<I", data)
    return good[:4] + sizes[0] + good[8:36] + extra + b"data" + sizes[1] + good[44:]


def _rf64(good: bytes) -> bytes:
    wide = struct.pack("<4sIQQQI", b"ds64", 28, len(good), len(good) - 44, 0, 0)
    sizes = b"\xff" * 4
    return b"RF64" + sizes + b"WAVE" + wide + good[12:40] + sizes + good[44:]


def _variable_rate(header: bool = False) -> bytes:
    """Silence, a tone, then noise on it: a length guessed from the first frames is far off."""
    buffer = io.BytesIO()
    options = {"write_xing": str(int(header)), "id3v2_version": "0"}
    with av.open(buffer, "w", format="mp3", options=options) as container:
        track = container.add_stream("libmp3lame", rate=44_100, layout=LAYOUTS[1])
        track.codec_context.qscale, track.codec_context.global_quality = True, 0
        rng = np.random.default_rng(2)
        samples = tone(SECONDS, 44_100)
        samples[:, : 44_100 // 2] = 0
        samples[:, 44_100 * 3 :] += rng.normal(0, 0.2, 44_100).astype("f4")
        for start in range(0, samples.shape[1], 1152):
            piece = np.ascontiguousarray(samples[:, start : start + 1152])
            frame = av.AudioFrame.from_ndarray(piece, "fltp", LAYOUTS[1])
            frame.sample_rate, frame.pts = 44_100, start
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return buffer.getvalue()


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
