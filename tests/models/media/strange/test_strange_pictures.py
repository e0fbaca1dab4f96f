from pathlib import Path

import numpy as np
import pytest
import strange_pictures as strange
from media_files import encoded, picture
from PIL import Image

from models.media import MediaLimits, MediaRecord, inspect
from models.media.images import decode_image
from models.media.paths import read_content
from models.media.tasks import bucketed_pixels

LIMITS = MediaLimits()
CASES = {
    f"{kind}: {name}": case
    for kind, cases in (
        ("formats", strange.formats()),
        ("metadata", strange.large_metadata()),
        ("keys", strange.colour_keys()),
        ("tails", strange.without_last_bytes()),
    )
    for name, case in cases.items()
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a"


def seen(path: Path, content: bytes) -> MediaRecord:
    path.write_bytes(content)
    return inspect(path, "image", LIMITS)


@pytest.mark.parametrize("name", CASES)
def test_the_pixels_are_those_that_were_put_in(path: Path, name: str) -> None:
    case = CASES[name]
    record = seen(path, case.content)
    assert (record.status, record.error, record.note) == ("ok", None, case.note)
    assert (record.height, record.width) == case.pixels.shape[:2]
    decoded = np.asarray(decode_image(path, LIMITS)).astype(int)
    assert np.abs(decoded - case.pixels).max() <= case.off


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_cut_picture_is_judged_by_how_much_is_gone(
    path: Path, kind: str, options: dict[str, bool]
) -> None:
    whole = encoded(picture(400, 300), kind, **options)
    some, much = seen(path, whole[: int(len(whole) * 0.96)]), seen(path, whole[: len(whole) // 2])
    assert some.status == "ok" and "of its pixels are missing" in (some.note or "")
    assert much.status == "broken" and "get the whole file" in (much.error or "")


def test_a_jpeg_that_was_ended_too_early_is_not_taken_for_whole(path: Path) -> None:
    whole = encoded(picture(400, 300), "JPEG")
    assert seen(path, whole[: len(whole) // 2] + b"\xff\xd9").status == "broken"
    assert seen(path, whole[: len(whole) // 2] + b"\xff\xd9" + whole[-2000:]).status == "broken"


def test_a_cut_jpeg_is_not_encoded_either(path: Path) -> None:
    whole = encoded(picture(800, 600), "JPEG")
    path.write_bytes(whole[:-2])
    found = bucketed_pixels(path.parent, path.name, LIMITS, {}).arrays[0]
    path.write_bytes(whole)
    assert np.array_equal(found, bucketed_pixels(path.parent, path.name, LIMITS, {}).arrays[0])
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut short"):
        bucketed_pixels(path.parent, path.name, LIMITS, {})


@pytest.mark.parametrize(
    ("kind", "place", "flip"),
    [("BMP", 18, 4), ("BMP", 22, 64), ("PPM", 3, 6), ("TIFF", 31, 9)],
    ids=["narrower", "lower", "narrower in text", "higher"],
)
def test_a_header_that_contradicts_the_file_is_named(
    path: Path, kind: str, place: int, flip: int
) -> None:
    whole = bytearray(encoded(picture(68, 90), kind))
    assert seen(path, bytes(whole)).status == "ok"
    whole[place] ^= flip
    record = seen(path, bytes(whole))
    assert record.status == "broken" and "pixels than the file holds" in (record.error or "")


@pytest.mark.parametrize("flip", [59, 2], ids=["before", "within"])
def test_a_bmp_whose_pixels_begin_within_its_header_is_named(path: Path, flip: int) -> None:
    whole = bytearray(encoded(picture(68, 90), "BMP"))
    whole[10] ^= flip
    assert seen(path, bytes(whole)).status == "broken"


@pytest.mark.parametrize("compression", [None, *strange.TIFF_COMPRESSIONS])
@pytest.mark.parametrize("rows", [16, 90], ids=["strips", "one strip"])
@pytest.mark.parametrize(("tag", "value"), [(256, 40), (256, 67), (256, 70), (257, 40), (257, 130)])
def test_a_tiff_whose_strips_do_not_fit_its_size_is_named(
    path: Path, compression: str | None, rows: int, tag: int, value: int
) -> None:
    whole = encoded(picture(68, 90), "TIFF", compression=compression, tiffinfo={278: rows})
    assert seen(path, whole).status == "ok"
    record = seen(path, strange.with_tiff_tag(whole, tag, value))
    assert record.status == "broken" and "damaged" in (record.error or "")


def test_a_png_with_a_wrong_checksum_is_named(path: Path) -> None:
    whole = bytearray(encoded(picture(), "PNG"))
    whole[len(whole) // 2] ^= 1
    record = seen(path, bytes(whole))
    assert record.status == "broken" and "checksum of its IDAT" in (record.error or "")


def test_large_metadata_stay_within_the_bound_on_bytes(path: Path) -> None:
    content = strange.large_metadata()["xmp in png"].content
    path.write_bytes(content)
    record = inspect(path, "image", MediaLimits(max_bytes=1_000_000))
    assert record.status == "broken" and "1 allowed" in (record.error or "")
    assert len(read_content(path, LIMITS).data) == len(content)


REFUSED = {
    "web page": (b"\n<!DOCTYPE HTML><html><body>404</body></html>", "fetch it again"),
    "drawing": (b'<?xml version="1.0"?>\n<svg xmlns="a"/>', "SVG drawing"),
    "document": (b"%PDF-1.7\n%\xe2\xe3" + b"x" * 99, "PDF document"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99, "pillow-heif"),
    "heic with a general brand": (
        b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf" + b"\0" * 99,
        "pillow-heif",
    ),
    "jpeg xl": (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 99, "JPEG XL"),
    "photoshop": (b"8BPS\0\1" + b"\0" * 99, "Photoshop"),
    "zeros": (bytes(9000), "download did not finish"),
    "message": (b'{"error": "no such picture"}', "text"),
    "archive": (b"PK\x03\x04" + b"x" * 99, "unpack"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_named_with_the_way_out(path: Path, name: str) -> None:
    content, said = REFUSED[name]
    record = seen(path, content)
    assert record.status == "broken" and said in (record.error or "")


def test_a_picture_of_an_installed_plug_in_is_read_by_its_name(path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    Image.fromarray(strange.smooth()).save(path.with_suffix(".heic"))
    assert seen(path, path.with_suffix(".heic").read_bytes()).status == "ok"
