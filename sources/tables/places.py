"""Where a media path leads: below the root, outside of it, or to a network."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

OUTSIDE_ROOT = "outside_root"
REMOTE_URI = "remote_uri"
BAD_PATH = "bad_path"

# A file may be named `Part 1: sea.jpg`: a colon alone makes no URI.
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]+://|(file|data|https?|ftp|s3|gs):)", re.IGNORECASE)
_LONGEST_PATH = 4096
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Place:
    """What became of one path.

    Attributes:
        uri: POSIX path below the root of a file that exists, else None.
        reason: why the path is rejected, else None. A file that does not exist has neither.
    """

    uri: str | None = None
    reason: str | None = None


def place(path_or_uri: str, root: Path) -> Place:
    """Where a path or file: URI leads from `root` (resolved); follows links, opens nothing."""
    text = path_or_uri.strip()
    if _SCHEME.match(text):
        parts = urlsplit(text)
        if parts.scheme.lower() != "file" or parts.netloc not in {"", "localhost"}:
            return Place(reason=REMOTE_URI)
        text = unquote(parts.path)
    if text.startswith("//"):
        return Place(reason=REMOTE_URI)
    if "\0" in text or len(text) > _LONGEST_PATH or _longest_name(text) > _LONGEST_NAME:
        return Place(reason=BAD_PATH)
    # The normalised path is checked before the disk is touched, so `..` never probes the outside.
    plain = Path(os.path.normpath(root / text))
    if not plain.is_relative_to(root):
        return Place(reason=OUTSIDE_ROOT)
    try:
        real = plain.resolve()
    except (OSError, RuntimeError):
        return Place(reason=BAD_PATH)
    if not real.is_relative_to(root):
        return Place(reason=OUTSIDE_ROOT)
    return Place(uri=plain.relative_to(root).as_posix()) if real.is_file() else Place()


def _longest_name(text: str) -> int:
    return max(len(os.fsencode(name)) for name in text.split("/"))
