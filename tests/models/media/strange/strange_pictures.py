"""Pictures as people have them.

Each case is the file's bytes, the pixels that must come out, how far a codec may be off, and the
note that must be said, None where nothing is missing.
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from media_files import chunk, encoded, picture
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.uint8]
TIFF_COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")
LAST_BYTES = "The file lacks its last bytes; all of its pixels are there."


@dataclass(frozen=True)
class Case:
    content: bytes
    pixels: Pixels
    off: int = 0
    note: str | None = None


def grey_tiff(pixels: Pixels, rows: int, *, filled: bool = False, counted: bool = True) -> bytes:
    """An uncompressed TIFF of (height, width) pixels.

    Args:
        pixels: grey.
        rows: of a strip.
        filled: whether the last strip has as many rows as the others, as some cameras write it.
        counted: whether it says how long its strips are.
    """
    height, width = pixels.shape
    strips = [pixels[top : top + rows].tobytes() for top in range(0, height, rows)]
    if filled:
        strips[-1] = strips[-1].ljust(rows * width, b"\0")
    starts = np.cumsum([8, *map(len, strips)])
    counts = [len(strip) if counted else 0 for strip in strips]
    lists = np.array([*starts[:-1], *counts], dtype="<u4").tobytes()
    at, count = int(starts[-1]), len(strips)
    offsets, lengths = (at, at + 4 * count) if count > 1 else (8, counts[0])
    tags = [(256, 1, width), (257, 1, height), (258, 1, 8), (259, 1, 1), (262, 1, 1)]
    tags += [(273, count, offsets), (278, 1, rows), (279, count, lengths)]
    entries = b"".join(struct.pack("<HHII", tag, 4, many, value) for tag, many, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    head = struct.pack("<2sHI", b"II", 42, at + len(lists))
    return head + b"".join(strips) + lists + directory


def with_tiff_tag(content: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with another value of a tag that holds one number."""
    changed = bytearray(content)
    start = int.from_bytes(content[4:8], "little")
    (count,) = struct.unpack_from("<H", content, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        found, kind = struct.unpack_from("<HH", content, entry)
        if found == tag:
            struct.pack_into("<I" if kind == 4 else "<H", changed, entry + 8, value)
    return bytes(changed)


def formats() -> dict[str, Case]:
    """Formats that Pillow reads, told by their bytes."""
    image = Image.fromarray(smooth())
    pixels = np.asarray(image)
    grey = pixels[:30, :, 0]
    grey_pixels = np.repeat(grey[..., None], 3, axis=2)
    turned = Image.Exif()
    turned[0x0112] = 6
    avif = encoded(image, "AVIF", quality=95)
    moving = encoded(
        image, "AVIF", quality=95, save_all=True, append_images=[image.transpose(0)], duration=90
    )
    return {
        "avif": Case(avif, pixels, 8),
        "avif of moving pictures": Case(moving, pixels, 8),
        "avif turned": Case(
            encoded(image, "AVIF", quality=95, exif=turned), np.rot90(pixels, -1), 8
        ),
        "avif that names a general brand": Case(_rebranded(avif, b"mif1"), pixels, 8),
        "jpeg 2000": Case(encoded(image, "JPEG2000"), pixels),
        "jpeg 2000 codestream": Case(encoded(image, "JPEG2000", no_jp2=True), pixels),
        "qoi": Case(encoded(image, "QOI"), pixels),
        "ppm": Case(encoded(image, "PPM"), pixels),
        "big tiff": Case(encoded(image, "TIFF", big_tiff=True), pixels),
        **{
            f"{compression} tiff": Case(
                encoded(image, "TIFF", compression=compression, tiffinfo={278: 16}), pixels
            )
            for compression in TIFF_COMPRESSIONS
        },
        "tiff whose last strip is filled up": Case(grey_tiff(grey, 16, filled=True), grey_pixels),
        "tiff that counts no bytes": Case(grey_tiff(grey, 30, counted=False), grey_pixels),
        "blank lines before png": Case(b"\r\n\r\n" + encoded(image, "PNG"), pixels),
        "a BOM before webp": Case(b"\xef\xbb\xbf" + encoded(image, "WEBP", lossless=True), pixels),
    }


def large_metadata() -> dict[str, Case]:
    """Colour profiles and XMP larger than most pictures."""
    image = Image.fromarray(smooth())
    pixels = np.asarray(image)
    rng = np.random.default_rng(4)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile += rng.bytes(1_500_000)
    plain = encoded(image, "PNG")
    words = b"<x:xmpmeta>" + b"lorem ipsum " * 130_000 + b"</x:xmpmeta>"
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + words
    packed = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(words)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile_text = exif.tobytes().hex().encode()
    profile_text = b"\nexif\n%8d\n%s\n" % (len(profile_text) // 2, profile_text)
    turned = words.replace(b"<x:xmpmeta>", b'<x:xmpmeta tiff:Orientation="6">')
    return {
        "icc in png": Case(encoded(image, "PNG", icc_profile=profile), pixels),
        "xmp in png": Case(_inserted(plain, b"iTXt", xmp), pixels),
        "packed xmp in png": Case(_inserted(plain, b"iTXt", packed), pixels),
        "orientation in a large xmp": Case(
            _inserted(plain, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + turned),
            np.rot90(pixels, -1),
        ),
        "orientation in a text profile": Case(
            _inserted(plain, b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile_text)),
            np.rot90(pixels, -1),
        ),
        "orientation in a packed xmp": Case(
            _inserted(
                plain,
                b"iTXt",
                b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(turned[:5000] + turned[-12:]),
            ),
            np.rot90(pixels, -1),
        ),
        "text in png": Case(_inserted(plain, b"tEXt", b"Comment\0" + b"x" * 3_000_000), pixels),
        "packed text in png": Case(
            _inserted(plain, b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(words)), pixels
        ),
        "a damaged text in png": Case(_wrong_sum(_inserted(plain, b"tEXt", b"a\0b")), pixels),
        "icc in jpeg": Case(encoded(image, "JPEG", quality=95, icc_profile=profile), pixels, 12),
        "icc in webp": Case(encoded(image, "WEBP", lossless=True, icc_profile=profile), pixels),
        "icc in tiff": Case(encoded(image, "TIFF", icc_profile=profile), pixels),
    }


def colour_keys() -> dict[str, Case]:
    """PNGs in which one value is transparent, at every depth; it must come out white."""
    cases: dict[str, Case] = {}
    for bits in (1, 2, 4, 8, 16):
        largest = (1 << bits) - 1
        values = np.linspace(0, largest, 16).round().astype(int).reshape(2, 8)
        for key in (0, largest):
            shown = values * 255 // largest
            shown[values == key] = 255
            raw = _png(values, bits, 0, struct.pack(">H", key))
            cases[f"grey of {bits} bits, {key} transparent"] = Case(raw, _rgb(shown))
    for bits in (8, 16):
        largest = (1 << bits) - 1
        values = np.linspace(0, largest, 24).round().astype(int).reshape(2, 12)
        key = values[0, 3:6]
        shown = (values >> (bits - 8)).reshape(2, 4, 3)
        shown[0, 1] = 255
        raw = _png(values, bits, 2, struct.pack(">HHH", *key))
        cases[f"colours of {bits} bits"] = Case(raw, shown.astype(np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    ramp = np.arange(8).reshape(2, 4) * 8000
    shown = ramp * 255 // 65535
    shown[0, 0] = 255
    cases["grey of 16 bits, turned"] = Case(
        _inserted(_png(ramp, 16, 0, struct.pack(">H", 0)), b"eXIf", turned.tobytes()[6:]),
        np.rot90(_rgb(shown), -1),
    )
    return cases


def without_last_bytes() -> dict[str, Case]:
    """Files that lost only what comes after their pixels."""
    image = picture(200, 160)
    cases: dict[str, Case] = {}
    for name, options in {
        "jpeg": {},
        "progressive jpeg": {"progressive": True},
        "jpeg with restarts": {"restart_marker_rows": 2},
        "grey jpeg": {},
    }.items():
        shown = image.convert("L") if name.startswith("grey") else image
        whole = encoded(shown, "JPEG", quality=90, **options)
        pixels = np.asarray(Image.open(io.BytesIO(whole)).convert("RGB"))
        cases[f"{name} without two"] = Case(whole[:-2], pixels, 0, LAST_BYTES)
        cases[f"{name} without one"] = Case(whole[:-1], pixels, 0, LAST_BYTES)
        cases[f"{name} with bytes after its end"] = Case(whole + b"\0junk" * 99, pixels)
        cases[f"{name} with zeros for its end"] = Case(
            whole[:-2] + bytes(512), pixels, 0, LAST_BYTES
        )
    png = encoded(image, "PNG")
    for missing in (4, 8, 12, 16):
        cases[f"png without {missing}"] = Case(png[:-missing], np.asarray(image), 0, LAST_BYTES)
    return cases


def smooth() -> Pixels:
    """A ramp in each channel: lossy codecs come near it."""
    across, down = np.meshgrid(np.linspace(0, 250, 60), np.linspace(0, 250, 90))
    return np.stack([across, down, 255 - across], axis=2).astype(np.uint8)


def _png(values: NDArray[np.int_], bits: int, colour: int, key: bytes) -> bytes:
    """A PNG of raw sample values, rows (height, width * channels)."""
    rows = b"".join(b"\0" + _packed(row, bits) for row in values)
    width = values.shape[1] // (3 if colour == 2 else 1)
    head = struct.pack(">IIBBBBB", width, len(values), bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"tRNS", key), chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def _packed(row: NDArray[np.int_], bits: int) -> bytes:
    if bits >= 8:
        return row.astype(">u2" if bits == 16 else "u1").tobytes()
    digits = (row[:, None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(digits.astype(np.uint8).ravel()).tobytes()


def _rgb(grey: NDArray[np.int_]) -> Pixels:
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def _inserted(png: bytes, name: bytes, body: bytes) -> bytes:
    return png[:33] + chunk(name, body) + png[33:]


def _wrong_sum(png: bytes) -> bytes:
    at = png.index(b"tEXt") + 7
    return png[:at] + b"\0\0\0\0" + png[at + 4 :]


def _rebranded(avif: bytes, brand: bytes) -> bytes:
    return avif[:8] + brand + avif[12:]
