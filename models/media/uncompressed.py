"""Uncompressed pictures whose header contradicts their size: a wrong width shears every row."""

from PIL.ImageFile import ImageFile

from models.media.limits import MediaError

_WITH_PROFILE = 124
_BMP_HEADER_AT = 14
_CONTRADICTION = (
    "The picture is damaged: its header tells of {} pixels than the file holds; get another copy "
    "of it."
)


def check_uncompressed(image: ImageFile, data: bytes) -> None:
    """Compares what a header promises with what the file holds; other pictures pass.

    Args:
        image: opened, not yet loaded.
        data: the file's bytes.

    Raises:
        MediaError: they differ by a row or more.
    """
    if image.format == "TIFF":
        boxes = [tile.extents for tile in image.tile if tile.extents is not None]
        covered = sum((right - left) * (low - top) for left, top, right, low in boxes)
        if covered < image.width * image.height:
            raise MediaError(_CONTRADICTION.format("more"))
    if image.format in {"BMP", "PPM"} and [tile.codec_name for tile in image.tile] == ["raw"]:
        row = _row_bytes(image)
        after = data[image.tile[0].offset + row * image.height :]
        if row and len(after) >= row and not _may_follow(image, data, after):
            raise MediaError(_CONTRADICTION.format("fewer"))


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
