"""Text files as people have them, made plain: unpacked, in UTF-8, one line end a line."""

import atexit
import bz2
import codecs
import gzip
import io
import logging
import lzma
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from sources.foreign_formats import require_no_foreign_format
from sources.protocol import SourceError

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20
_MOST_PACKINGS = 3
_OF_A_WORKBOOK = "xl/workbook.xml"
_SAMPLE = 1 << 16
_PACKED = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"PK\x03\x04": "zip",
}
PACKED_SUFFIXES = frozenset({".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd", ".zip"})
"""Endings that say how a file is packed, and not what is in it."""

# The longest first: a mark of UTF-16 is the beginning of one of UTF-32.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8 = "utf-8"
_WESTERN = "cp1252"
_EVERY_BYTE = "latin-1"
# Of a letter with an accent among ASCII letters nearly all neighbours are ASCII; of Cyrillic,
# Greek, Chinese or Japanese text hardly any.
_MOST_NEIGHBOURS = 0.35
_FEWEST_TO_JUDGE = 8
_BEYOND = re.compile(rb"[\x80-\xff]+")
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_below: ContextVar[Path | None] = ContextVar("copies_below", default=None)
_UNPACKING_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


@dataclass(frozen=True)
class PlainText:
    """A file that can be read line by line.

    Attributes:
        path: the file itself, or a plain copy that lives as long as the process.
        encoding: what the file itself is in.
        guessed: whether nothing says so but its bytes.
        damaged: whether some bytes are not of that encoding; reading makes them U+FFFD.
    """

    path: Path
    encoding: str
    guessed: bool
    damaged: bool


def plain_text(path: Path, encoding: str | None = None) -> PlainText:
    """The file in UTF-8, unpacked, with lines that end in a line feed.

    gzip, bzip2, xz, zstd and a zip of one file are known by their first bytes, whatever their
    name. Without `encoding`, a byte order mark decides, then whether the whole is UTF-8, then
    whether it looks like Western text of one byte a letter; that choice is said in the log.

    Args:
        path: any file.
        encoding: a name that Python knows; None finds out.

    Raises:
        SourceError: the file is absent, empty, damaged, or in an encoding that nothing tells.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise SourceError(f"{path} cannot be read as a table ({error.strerror}).") from error
    return _plain(path, encoding, state.st_size, state.st_mtime_ns)


def known_encoding(name: str) -> bool:
    """Whether Python can read text in an encoding of this name."""
    try:
        return bool(codecs.lookup(name)._is_text_encoding)
    except LookupError:
        return False


@lru_cache(maxsize=256)
def _plain(path: Path, encoding: str | None, size: int, mtime_ns: int) -> PlainText:
    if not size:
        raise SourceError(f"{path} is empty; give a file with a header.")
    raw = _unpacked(path)
    scan = _Bytes.of(raw)
    if not scan.size:
        raise SourceError(f"{path} is empty; give a file with a header.")
    require_no_foreign_format(path, raw)
    name, guessed = _named(path, raw, encoding) if encoding else _encoding(path, raw, scan)
    is_utf8 = codecs.lookup(name).name in {_UTF8, "utf-8-sig"}
    damaged = is_utf8 and not scan.utf8
    if guessed:
        logger.warning(
            "%s is not UTF-8: it is read as %s. Where letters come out wrong, name its encoding "
            "in the mapping, such as `encoding: cp1250`.",
            path.name,
            name,
        )
    if is_utf8 and scan.feeds:
        return PlainText(raw, name, guessed, damaged)
    target = private_copy(path.name)
    _rewrite(path, raw, target, name, scan.feeds)
    return PlainText(target, name, guessed, damaged)


@dataclass(frozen=True)
class _Bytes:
    """What one look at all bytes of a file says.

    Attributes:
        size: number of bytes.
        utf8: whether all of them are UTF-8.
        letters: characters beyond ASCII that are UTF-8.
        strays: bytes that are not.
        feeds: whether lines end in a line feed, or there is but one line.
    """

    size: int
    utf8: bool
    letters: int
    strays: int
    feeds: bool

    @staticmethod
    def of(path: Path) -> "_Bytes":
        """Looks at a file."""
        decoder = codecs.getincrementaldecoder(_UTF8)("surrogateescape")
        size = letters = strays = 0
        feeds = returns = False
        for chunk in _chunks(path):
            size += len(chunk)
            feeds = feeds or b"\n" in chunk
            returns = returns or b"\r" in chunk
            text = decoder.decode(chunk)
            if not text.isascii():
                bad = len(text) - len(text.encode(_UTF8, "ignore").decode(_UTF8))
                strays += bad
                letters += len(text) - len(text.encode("ascii", "ignore")) - bad
        strays += len(decoder.decode(b"", final=True))
        return _Bytes(size, not strays, letters, strays, feeds or not returns)


def _named(path: Path, raw: Path, encoding: str) -> tuple[str, bool]:
    """The encoding that the mapping names, where the file does not begin as one of another."""
    mark = _mark(raw)
    if mark and _family(encoding) != _family(mark):
        raise SourceError(
            f"{path} begins with the mark of {mark.removesuffix('-sig')}, but the mapping says "
            f"encoding: {encoding}; leave that out."
        )
    return (mark if mark == "utf-8-sig" else encoding), False


def _family(encoding: str) -> str:
    """An encoding without what its byte order or mark is: utf-8, utf-16, utf-32, or its name."""
    name = codecs.lookup(encoding).name.removesuffix("-sig")
    return re.sub("^(utf-16|utf-32).*", r"\1", name)


def _mark(raw: Path) -> str | None:
    with raw.open("rb") as file:
        head = file.read(4)
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def _encoding(path: Path, raw: Path, scan: _Bytes) -> tuple[str, bool]:
    """The encoding of a file for which none is named, and whether it is a guess."""
    mark = _mark(raw)
    if mark:
        return mark, False
    with raw.open("rb") as file:
        wide = _wide(file.read(_SAMPLE))
    if wide:
        return wide, True
    # A file of UTF-8 with a few broken bytes is UTF-8: the rest of its letters are right.
    if scan.utf8 or scan.letters > scan.strays:
        return _UTF8, False
    if _neighbours(raw) > _MOST_NEIGHBOURS:
        raise SourceError(
            f"{path} is not UTF-8, and its letters are of no Western alphabet; name its encoding "
            "in the mapping, such as `encoding: cp1251`, gb18030, shift_jis or euc_kr."
        )
    try:
        for _ in _texts(raw, _WESTERN):
            pass
    except UnicodeDecodeError:
        return _EVERY_BYTE, True
    return _WESTERN, True


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of its ASCII letters is zero."""
    even, odd = head[0::2], head[1::2]
    zeros, others = even.count(0), odd.count(0)
    if zeros + others < len(head) / 4:
        return None
    return "utf-16-be" if zeros > others else "utf-16-le"


def _neighbours(path: Path) -> float:
    """The share of the bytes beyond ASCII that stand next to another one."""
    beyond = adjacent = 0
    for chunk in _chunks(path):
        for run in _BEYOND.findall(chunk):
            beyond += len(run)
            adjacent += len(run) - 1
        if beyond > _SAMPLE:
            break
    return adjacent / beyond if beyond >= _FEWEST_TO_JUDGE else 0.0


def _unpacked(path: Path) -> Path:
    """The file itself, or a file of its unpacked content, even if it was packed twice."""
    unpacked = path
    for _ in range(_MOST_PACKINGS + 1):
        with unpacked.open("rb") as file:
            head = file.read(8)
        kind = next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)
        if kind is None:
            return unpacked
        unpacked = _unpacked_once(path, unpacked, kind)
    raise SourceError(f"{path} is packed more than {_MOST_PACKINGS} times; unpack it first.")


def _unpacked_once(path: Path, packed_file: Path, kind: str) -> Path:
    target = private_copy(path.name)
    try:
        with closing(_opened(path, packed_file, kind)) as packed, target.open("wb") as out:
            shutil.copyfileobj(packed, out, _CHUNK)
    except _UNPACKING_ERRORS as error:
        raise SourceError(f"{path} is damaged and cannot be unpacked ({error}).") from error
    return target


def _opened(path: Path, packed: Path, kind: str) -> IO[bytes]:
    if kind == "gz":
        return cast(IO[bytes], gzip.open(packed))
    if kind == "bz2":
        return bz2.open(packed)
    if kind == "xz":
        return lzma.open(packed)
    if kind == "zst":
        return cast(IO[bytes], pa.input_stream(str(packed), compression="zstd"))
    opened = zipfile.ZipFile(packed)
    members = [member for member in opened.infolist() if not _left_by_a_system(member)]
    if any(member.filename == _OF_A_WORKBOOK for member in members):
        raise SourceError(f"{path} is an Excel workbook; export the table as CSV or Parquet.")
    if len(members) != 1:
        raise SourceError(f"{path} holds {len(members)} files; unpack it and name one of them.")
    if members[0].flag_bits & 1:
        raise SourceError(f"{path} is encrypted; unpack it first.")
    return opened.open(members[0])


def _left_by_a_system(member: zipfile.ZipInfo) -> bool:
    """Whether it is a folder, or what macOS and Windows put next to people's files."""
    name = member.filename.replace("\\", "/").split("/")
    return member.is_dir() or name[0] == "__MACOSX" or name[-1] in _LITTER


def _rewrite(path: Path, raw: Path, target: Path, encoding: str, feeds: bool) -> None:
    try:
        with target.open("w", encoding=_UTF8, newline="", errors="replace") as out:
            for text in _texts(raw, encoding):
                out.write(text if feeds else text.replace("\r", "\n"))
    except UnicodeError as error:
        raise SourceError(
            f"{path} is not in {encoding} ({error}); name the right encoding in the mapping."
        ) from error
    if not feeds:
        return
    # Bytes do not tell line ends of UTF-16 from other characters; the text does.
    with target.open("rb") as file:
        seen = file.read(_SAMPLE)
    if b"\n" not in seen and b"\r" in seen:
        content = private_copy(path.name)
        with content.open("wb") as out:
            for chunk in _chunks(target):
                out.write(chunk.replace(b"\r", b"\n"))
        content.replace(target)


def _texts(path: Path, encoding: str) -> Iterator[str]:
    """The text in pieces.

    Raises:
        UnicodeError: it is not in this encoding.
    """
    errors = "replace" if codecs.lookup(encoding).name in {_UTF8, "utf-8-sig"} else "strict"
    with path.open("rb") as file, io.TextIOWrapper(file, encoding, errors, newline="") as text:
        while piece := text.read(_CHUNK):
            yield piece


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def private_copy(name: str) -> Path:
    """A file for a copy, which is gone with the process: it holds raw user ids."""
    folder = tempfile.mkdtemp(dir=_below.get() or _copies())
    return Path(folder) / name


@contextmanager
def copies_below(folder: Path) -> Iterator[None]:
    """Copies of the block lie in a folder of its own, for processes that live for weeks.

    Args:
        folder: that holds the files which are read, and whose name never comes again: where the
            copy of a file lies is remembered by its path.
    """
    token = _below.set(folder)
    try:
        yield
    finally:
        _below.reset(token)


@cache
def _copies() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="crossmodal-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
