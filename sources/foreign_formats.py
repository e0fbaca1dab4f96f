"""Files that are no text tables, known by their first bytes, and what to do with each."""

from pathlib import Path

from sources.protocol import SourceError

_HEAD = 512
_TAIL = 8
_EXPORT = "export the table as CSV or Parquet"
_UNPACK = "unpack it and name one of its files"
_BY_MAGIC = (
    (0, b"SQLite format 3\x00", "an SQLite database", _EXPORT),
    (0, b"Obj\x01", "an Avro file", "write it again as Parquet"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _EXPORT),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", _EXPORT),
    (0, b"%PDF-", "a PDF", _EXPORT),
    (0, b"\x04\x22\x4d\x18", "packed with lz4", "unpack it, or pack it with gzip or zstd"),
    (0, b"\x1f\x9d", "packed with compress", "unpack it, or pack it with gzip or zstd"),
    (0, b"\xff\x06\x00\x00sNaPpY", "packed with snappy", "unpack it, or pack it with gzip or zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
)
# Letters that a header may begin with too: such a file also ends in them.
_AT_BOTH_ENDS = (
    (b"PAR1", "a Parquet file", "give it the ending .parquet"),
    (b"ARROW1", "an Arrow or Feather file", "give it the ending .feather"),
    (b"FEA1", "a Feather file of version 1", "write it again as Parquet"),
    (b"ORC", "an ORC file", "write it again as Parquet"),
)
_MARKUP = (
    (b"<!doctype html", "a web page", "download the file that the page links to"),
    (b"<html", "a web page", "download the file that the page links to"),
    (b"<?xml", "XML", _EXPORT),
)


def require_no_foreign_format(path: Path, content: Path, but: bytes = b"") -> None:
    """Refuses what is of another format than it is read as.

    Args:
        path: the file, named in the error.
        content: the same, unpacked.
        but: the first bytes of the format that it may have; text without.

    Raises:
        SourceError: the first bytes are of another format; the message says which and the way out.
    """
    with content.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, content.stat().st_size - _TAIL))
        tail = file.read()
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for offset, magic, what, way_out in _BY_MAGIC:
        if head[offset : offset + len(magic)] == magic:
            raise SourceError(f"{path} is {what}; {way_out}.")
    for magic, what, way_out in _AT_BOTH_ENDS:
        if magic != but and head.startswith(magic) and magic in tail:
            raise SourceError(f"{path} is {what}; {way_out}.")
    for magic, what, way_out in _MARKUP:
        if start.startswith(magic):
            raise SourceError(f"{path} is {what}; {way_out}.")
