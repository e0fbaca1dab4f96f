"""Pictures whose header contradicts their size, in formats whose pixels do not know their width."""

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from models.media.limits import MediaError
from models.media.tiff_strips import tiff_contradiction

_WITH_PROFILE = 124
_BMP_HEADER_AT = 14
_CONTRADICTION = (
    "The picture is damaged: its header promises {} pixels than the file holds; get another copy "
    "of it."
)


def check_pixel_count(image: ImageFile, data: bytes) -> None:
    """Compares what a header promises with what the file holds: a wrong width shears every row.

    Formats that check this themselves pass.

    Args:
        image: opened, not yet loaded.
        data: the file's bytes.

    Raises:
        MediaError: they differ by a row or more.
    """
    if isinstance(image, TiffImageFile):
        contradiction = tiff_contradiction(image, data)
        if contradiction:
            raise MediaError(_CONTRADICTION.format("more" if contradiction > 0 else "fewer"))
        boxes = [tile.extents for tile in image.tile if tile.extents is not None]
        covered = sum((right - left) * (low - top) for left, top, right, low in boxes)
        if covered < image.width * image.height:
            raise MediaError(_CONTRADICTION.format("more"))
    if image.format == "BMP" and image.tile[0].offset < _bmp_header_end(data):
        raise MediaError("The picture is damaged: its pixels begin within its header.")
    if image.format in {"BMP", "PPM"} and [tile.codec_name for tile in image.tile] == ["raw"]:
        row = _row_bytes(image)
        after = data[image.tile[0].offset + row * image.height :]
        if row and len(after) >= row and not _may_follow(image, data, after):
            raise MediaError(_CONTRADICTION.format("fewer"))


def _bmp_header_end(data: bytes) -> int:
    return _BMP_HEADER_AT + int.from_bytes(data[_BMP_HEADER_AT : _BMP_HEADER_AT + 4], "little")


def _row_bytes(image: ImageFile) -> int:
    """Bytes of a row of pixels, 0 where the codec does not say."""
    args = image.tile[0].args
    stride = args[1] if isinstance(args, tuple) and len(args) > 1 else 0
    return int(stride) or image.width * {"L": 1, "RGB": 3}.get(image.mode, 0)


def _may_follow(image: ImageFile, data: bytes, after: bytes) -> bool:
    """Whether what comes after the pixels is a colour profile or the next picture."""
    if image.format == "BMP":
        return data[_BMP_HEADER_AT] == _WITH_PROFILE
    return after.lstrip().startswith(b"P")
