"""Archives of a folder: one compressed tar file whose first member says what the others must be.

`tar --zstd -xf` takes them apart too. What reads them here trusts nothing that it has not compared
with the manifest, and the manifest only for its names, which must stay within the folder.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field, TypeAdapter

from crossmodal.atomic import atomic_path, sweep_for

FORMAT = 1
"""Of the archives that are written; a higher one is of a later release."""

_MANIFEST = "manifest.json"
_ROOT = "home/"
_COMPRESSION = "zstd"
_CHECKSUM = "comment"
"""Which tar header of the manifest's member has its own checksum: a comment, which tar ignores."""

_PIECE = 1 << 20
_MOST_MANIFEST_BYTES = 256 << 20
_UNREADABLE = (tarfile.TarError, ValueError, RecursionError)


class ArchiveError(RuntimeError):
    """An archive cannot be written, read or used; the message names it and the way out."""


@dataclass(frozen=True)
class ArchivedFile:
    """What a file of an archive must be.

    Attributes:
        path: relative to the folder, with `/` between parts.
        size: in bytes.
        sha256: of its content, in hex.
        mode: its permissions.
        mtime_ns: when it was last changed, in nanoseconds since 1970.
    """

    path: str
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    mode: Annotated[int, Field(ge=0, le=0o777)]
    mtime_ns: Annotated[int, Field(ge=0, lt=1 << 63)]


@dataclass(frozen=True)
class Manifest:
    """What an archive holds.

    Attributes:
        format: of the archive.
        release: of the platform that wrote it.
        made_at: when, as ISO 8601 in UTC.
        files: in the order of the archive.
    """

    format: int
    release: str
    made_at: str
    files: tuple[ArchivedFile, ...]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files)


_READ_MANIFEST = TypeAdapter(Manifest)


def write_archive(target: Path, root: Path, release: str, made_at: str) -> Manifest:
    """Writes every file below a folder into an archive, and reads it back.

    It takes its name, with mode 0600, once every byte was read back and found right.

    Args:
        target: the archive; one that is there stays until the new one takes its place.
        root: a folder that nobody writes to.
        release: of the platform.
        made_at: what the manifest says of the time.

    Raises:
        ArchiveError: it cannot be written, or was read back with other content.
    """
    try:
        names = sorted(path.relative_to(root).as_posix() for path in _regular(root))
        files = tuple(_described(root, name) for name in names)
        manifest = Manifest(FORMAT, release, made_at, files)
        # As large as the archive, and as secret.
        sweep_for(target)
        with atomic_path(target) as temporary:
            _write(temporary, root, manifest)
            _compare(temporary, target)
    except OSError as error:
        raise ArchiveError(
            f"{target} cannot be written ({_why(error)}); make room there, or name a file in "
            "another folder."
        ) from error
    return manifest


def verify_archive(path: Path) -> Manifest:
    """Reads an archive to its end and compares every file with the manifest.

    Raises:
        ArchiveError: it cannot be read, or is damaged.
    """
    return _compare(path, path)


class OpenArchive:
    """An archive that is read once, from its start to its end.

    Attributes:
        manifest: what it must hold.
    """

    def __init__(self, tar: tarfile.TarFile, stream: "_Forward", shown: Path) -> None:
        self._tar, self._stream, self._shown = tar, stream, shown
        self.manifest = self._read_manifest()

    def contents(self) -> Iterator[tuple[ArchivedFile, Iterator[bytes]]]:
        """Each file with its content in pieces, which must be taken before the next file.

        Raises:
            ArchiveError: something is not what the manifest says.
        """
        for file in self.manifest.files:
            member = self._next()
            if member is None or member.name != _ROOT + file.path:
                raise self._damaged(f"{file.path} is missing, or another file in its place")
            if member.size != file.size:
                raise self._damaged(f"{file.path} has {member.size:,} bytes, not {file.size:,}")
            yield file, self._pieces(member, file)
        if (extra := self._next()) is not None:
            raise self._damaged(f"its manifest does not list {extra.name!r}")
        # Tar pads its end; what was cut off there, only the compression knows.
        while piece := self._stream.read(_PIECE):
            if any(piece):
                raise self._damaged("something follows its end")

    def unpack(self, folder: Path) -> None:
        """Writes every file below an empty folder, on the disk when this returns.

        Raises:
            ArchiveError: something is not what the manifest says.
            OSError: a file cannot be written.
        """
        for file, pieces in self.contents():
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as writer:
                for piece in pieces:
                    writer.write(piece)
                writer.flush()
                target.chmod(file.mode)
                os.utime(target, ns=(file.mtime_ns, file.mtime_ns))
                os.fsync(writer.fileno())

    def _next(self) -> tarfile.TarInfo | None:
        try:
            member = self._tar.next()
        except _UNREADABLE as error:
            raise self._damaged(str(error)) from error
        if member is not None and member.type != tarfile.REGTYPE:
            raise self._damaged(f"{member.name!r} is no regular file")
        return member

    def _pieces(self, member: tarfile.TarInfo, file: ArchivedFile) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in self._raw(member):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != file.sha256:
            raise self._damaged(f"{file.path} has another checksum than its manifest says")

    def _raw(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        content = self._tar.extractfile(member)
        assert content is not None
        left = member.size
        while left:
            try:
                piece = content.read(min(left, _PIECE))
            except _UNREADABLE as error:
                raise self._damaged(str(error)) from error
            if not piece:
                raise self._damaged("it ends too early")
            left -= len(piece)
            yield piece

    def _read_manifest(self) -> Manifest:
        member = self._next()
        if member is None or member.name != _MANIFEST or member.size > _MOST_MANIFEST_BYTES:
            raise ArchiveError(
                f"{self._shown} is no archive of `crossmodal backup`: it does not begin with a "
                "manifest; name another file."
            )
        content = b"".join(self._raw(member))
        if hashlib.sha256(content).hexdigest() != member.pax_headers.get(_CHECKSUM):
            raise self._damaged("its manifest has another checksum")
        try:
            raw = json.loads(content)
            self._require_known_format(raw)
            manifest = _READ_MANIFEST.validate_python(raw)
        except ValueError as error:
            raise self._damaged("its manifest cannot be read") from error
        self._require_safe(manifest)
        return manifest

    def _require_known_format(self, raw: Any) -> None:
        found = raw.get("format") if isinstance(raw, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise ArchiveError(
                f"{self._shown} has format {found}, of release {raw.get('release')}, and this "
                f"release reads up to {FORMAT}: install that release or a later one, and restore "
                "it with that."
            )

    def _require_safe(self, manifest: Manifest) -> None:
        seen = set()
        folders = {
            above.as_posix() for file in manifest.files for above in PurePath(file.path).parents
        }
        for file in manifest.files:
            if not _stays_within(file.path) or file.path in seen or file.path in folders:
                raise ArchiveError(
                    f"{self._shown} lists {file.path!r}, which no archive of `crossmodal backup` "
                    "does; nothing of it can be trusted: take another archive."
                )
            seen.add(file.path)

    def _damaged(self, what: str) -> ArchiveError:
        return _damaged(self._shown, what)


@contextmanager
def open_archive(path: Path, shown: Path | None = None) -> Iterator[OpenArchive]:
    """Opens an archive and reads its manifest.

    Args:
        path: of the file.
        shown: the name that errors give it; by default its own.

    Raises:
        ArchiveError: it cannot be read, is damaged, or of a later format.
    """
    shown = shown or path
    try:
        file = path.open("rb")
    except OSError as error:
        raise ArchiveError(f"{shown} cannot be read ({_why(error)}); name another file.") from error
    with file, pa.CompressedInputStream(pa.PythonFile(file, "r"), _COMPRESSION) as source:
        stream = _Forward(source, shown)
        with _tar(stream, shown) as tar:
            yield OpenArchive(tar, stream, shown)


def _tar(stream: "_Forward", shown: Path) -> tarfile.TarFile:
    file: Any = stream
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except _UNREADABLE as error:
        raise _damaged(shown, str(error)) from error


class _Forward:
    """Decompressed bytes, read forward alone, never many at once: a header may claim any size."""

    def __init__(self, source: Any, shown: Path) -> None:
        self._source, self._shown, self._at = source, shown, 0

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _PIECE:
            raise _damaged(self._shown, "a header claims a size that none has")
        pieces = []
        while size and (piece := self._some(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        while self._at < position and self.read(min(position - self._at, _PIECE)):
            pass

    def _some(self, size: int) -> bytes:
        try:
            piece: bytes = self._source.read(size)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(self._shown, str(error)) from error
        self._at += len(piece)
        return piece


def _compare(path: Path, shown: Path) -> Manifest:
    with open_archive(path, shown) as archive:
        for _, pieces in archive.contents():
            for _ in pieces:
                pass
        return archive.manifest


def _regular(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


def _described(root: Path, name: str) -> ArchivedFile:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ArchiveError(f"The name of {name!r} is no text in UTF-8; rename it.") from error
    path = root / name
    facts = path.stat()
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ArchivedFile(
        name, facts.st_size, sha256, facts.st_mode & 0o777, max(0, facts.st_mtime_ns)
    )


def _write(path: Path, root: Path, manifest: Manifest) -> None:
    content = json.dumps(asdict(manifest), indent=1).encode()
    with (
        path.open("wb") as file,
        pa.CompressedOutputStream(pa.PythonFile(file, "w"), _COMPRESSION) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_PIECE) as tar,
    ):
        head = _member(_MANIFEST, len(content), 0o600, 0)
        head.pax_headers = {_CHECKSUM: hashlib.sha256(content).hexdigest()}
        tar.addfile(head, io.BytesIO(content))
        for each in manifest.files:
            member = _member(_ROOT + each.path, each.size, each.mode, each.mtime_ns // 10**9)
            with (root / each.path).open("rb") as source:
                tar.addfile(member, source)


def _member(name: str, size: int, mode: int, mtime: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, mode, mtime
    return member


def _stays_within(path: str) -> bool:
    """Whether a name means a file below the folder, and is written in the one way there is."""
    native = PurePath(path)
    return (
        bool(native.parts)
        and not native.is_absolute()
        and not native.drive
        and ".." not in native.parts
        and "\0" not in path
        and native.as_posix() == path
    )


def _damaged(path: Path, what: str) -> ArchiveError:
    return ArchiveError(f"{path} is damaged or no archive ({what}); take another archive.")


def _why(error: OSError) -> str:
    return error.strerror or str(error)
