"""Files are opened below one root, are regular, and are read once, up to a limit."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from models.media.limits import MediaError, MediaLimits, MediaMissingError
from models.media.refusals import refusal
from models.media.sniffing import MediaType, locate

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Content:
    """The bytes of one file, read once, so that what is hashed is what is decoded.

    Attributes:
        data: the media, without tags and padding around it.
        sha256: of the whole file, hex.
        type: of the media.
        size: of the whole file in bytes.
    """

    data: bytes
    sha256: str
    type: MediaType
    size: int


def resolve_inside(root: Path, uri: str) -> Path:
    """The regular file that a plain path relative to `root` names.

    Symbolic links are followed as long as they end inside the root.

    Raises:
        MediaMissingError: there is no such file.
        MediaError: the path is absolute, leads out of the root, or is no regular file.
    """
    if not uri or "\x00" in uri:
        raise MediaError("The path is empty or holds a zero byte.")
    absolute = PurePosixPath(uri).is_absolute() or PureWindowsPath(uri).anchor
    if absolute or ".." in PurePosixPath(uri.replace("\\", "/")).parts:
        raise MediaError("The path leads out of the source's root.")
    base = root.resolve()
    try:
        path = (base / uri).resolve()
        if not path.is_relative_to(base):
            raise MediaError("The path leads out of the source's root by a symbolic link.")
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise MediaMissingError("There is no such file.") from error
    except (OSError, RuntimeError) as error:
        raise MediaError(f"The path cannot be opened ({_reason(error)}).") from error
    if not stat.S_ISREG(mode):
        raise MediaError("The path names no regular file.")
    return path


def read_content(path: Path, limits: MediaLimits) -> Content:
    """Reads, hashes and sniffs one file.

    Raises:
        MediaMissingError: there is no such file.
        MediaError: it is not regular, empty, too large, unreadable or of no known type.
    """
    data = _read(path, limits.max_bytes)
    if not data:
        raise MediaError("The file is empty.")
    found = locate(data)
    if found is None:
        raise MediaError(refusal(data))
    sha256 = hashlib.sha256(data).hexdigest()
    return Content(data[found.start : found.end], sha256, found.type, len(data))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file (hex), read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _read(path: Path, max_bytes: int) -> bytes:
    # Opening a pipe would wait for its writer; O_NONBLOCK returns at once, and fstat then tells.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise MediaError("The path names no regular file.")
            data = b"" if status.st_size > max_bytes else file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise MediaMissingError("There is no such file.") from error
    except OSError as error:
        raise MediaError(f"The file cannot be read ({_reason(error)}).") from error
    if max(status.st_size, len(data)) > max_bytes:
        size = max(status.st_size, len(data)) / 1e6
        raise MediaError(f"The file has {size:.1f} MB, more than the {max_bytes / 1e6:g} allowed.")
    return data


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return strerror or type(error).__name__
