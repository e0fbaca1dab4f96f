"""Unpacks a zip that may be hostile into a folder of its own."""

import hashlib
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from sources.folders import whole_folder
from sources.protocol import Progress, SourceError

MAX_TOTAL_BYTES = 4_000_000_000
"""The largest published set, 32m, is 0.9 GB unpacked."""
_MAX_MEMBERS = 200_000
_CHUNK = 1 << 20


def unpack(
    archive: Path,
    below: Path,
    progress: Progress | None = None,
    max_total_bytes: int = MAX_TOTAL_BYTES,
) -> Path:
    """Unpacks `archive` into a folder below `below` that its content names; returns the folder.

    All names are checked before a byte is written, and bytes are counted as they are written, so
    that a header that lies about a size is found out. The folder appears whole, by one rename.

    Raises:
        SourceError: the file is no zip, is damaged, or a member has a `..`, absolute or Windows
            path, is a link, is encrypted, or would make the whole too large.
    """
    target = below / f"{archive.stem}-{_digest(archive)[:12]}"
    if target.is_dir():
        return target
    try:
        with whole_folder(target) as temporary, zipfile.ZipFile(archive) as opened:
            members = _checked(archive, opened, max_total_bytes)
            _extract(archive, opened, members, temporary, max_total_bytes, progress)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise SourceError(f"{archive} is damaged or no zip ({error}); fetch it again.") from error
    return target


def _checked(
    archive: Path, opened: zipfile.ZipFile, max_total_bytes: int
) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    infos = opened.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise SourceError(f"{archive} has {len(infos)} members; at most {_MAX_MEMBERS} are taken.")
    if sum(info.file_size for info in infos) > max_total_bytes:
        raise SourceError(f"{archive} would unpack to more than {max_total_bytes} bytes.")
    return [(info, _safe_name(archive, info)) for info in infos if not info.is_dir()]


def _safe_name(archive: Path, info: zipfile.ZipInfo) -> PurePosixPath:
    raw = info.orig_filename
    path = PurePosixPath(raw)
    unsafe = (
        path.is_absolute()
        or ".." in path.parts
        or not path.parts
        or any(character in raw for character in "\\:\0")
    )
    if unsafe:
        raise SourceError(f"{archive} has a member {raw!r} that leads out of its folder; refused.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise SourceError(f"{archive} has a member {raw!r} that is a link or device; refused.")
    if info.flag_bits & 1:
        raise SourceError(f"{archive} has an encrypted member {raw!r}; give it without a password.")
    return path


def _extract(
    archive: Path,
    opened: zipfile.ZipFile,
    members: list[tuple[zipfile.ZipInfo, PurePosixPath]],
    into: Path,
    max_total_bytes: int,
    progress: Progress | None,
) -> None:
    total = sum(info.file_size for info, _ in members)
    written = 0
    for info, name in members:
        path = into.joinpath(*name.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(info) as source, path.open("xb") as sink:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > max_total_bytes:
                    raise SourceError(f"{archive} unpacks to more than {max_total_bytes} bytes.")
                sink.write(chunk)
                if progress:
                    progress(f"unpacking {archive.name}", written, total)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
