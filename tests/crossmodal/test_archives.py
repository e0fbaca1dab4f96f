"""Archives on real files: whole or refused, whatever was done to them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pytest

from crossmodal.archives import (
    FORMAT,
    ArchivedFile,
    ArchiveError,
    Manifest,
    open_archive,
    verify_archive,
    write_archive,
)
from crossmodal.processes import ProcessMark

CONTENT = {"id.key": b"a secret", "lake/items.parquet": b"rows" * 40, "empty": b""}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of three files."""
    root = tmp_path / "root"
    for name, content in CONTENT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "id.key").chmod(0o600)
    write_archive(tmp_path / "archive", root, "1.2.3", "2026-01-31T03:00:00+00:00")
    return tmp_path / "archive"


def test_what_killed_writers_of_an_archive_left_is_removed(archive: Path) -> None:
    mark = ProcessMark.of_this_process()
    killed = archive.with_name(f".archive.{mark.pid}-{mark.began - 60:.0f}-x.tmp")
    others = [
        archive.with_name(f".archive.{mark.pid}-{mark.began:.0f}-x.tmp"),
        archive.with_name(".archive.mine.tmp"),
        archive.with_name(f".else.{mark.pid}-{mark.began - 60:.0f}-x.tmp"),
    ]
    for left in (killed, *others):
        left.touch()
    write_archive(archive, archive.with_name("root"), "1.2.3", "2026-01-31T03:00:00+00:00")
    assert not killed.exists() and all(left.exists() for left in others)


def unpacked(archive: Path, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    with open_archive(archive) as opened:
        opened.unpack(folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def of_content(path: str, content: bytes = b"x") -> ArchivedFile:
    return ArchivedFile(path, len(content), hashlib.sha256(content).hexdigest(), 0o600, 0)


def forged(path: Path, listed: object, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """An archive whose manifest has a right checksum, whatever it says."""
    said = json.dumps(asdict(listed) if isinstance(listed, Manifest) else listed).encode()
    head = member("manifest.json", len(said))
    head.pax_headers = {"comment": hashlib.sha256(said).hexdigest()}
    with (
        pa.CompressedOutputStream(path, "zstd") as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for info, content in [(head, said), *members]:
            tar.addfile(info, io.BytesIO(content))
    return path


def member(name: str, size: int = 1, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in more.items():
        setattr(info, key, value)
    return info


def listing(*files: ArchivedFile) -> Manifest:
    return Manifest(FORMAT, "1.2.3", "2026-01-31T03:00:00+00:00", files)


def test_what_is_unpacked_is_what_was_written(archive: Path, tmp_path: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    assert unpacked(archive, tmp_path / "again") == CONTENT
    for name in CONTENT:
        before, after = ((tmp_path / root / name).stat() for root in ("root", "again"))
        assert (before.st_mode, before.st_mtime_ns) == (after.st_mode, after.st_mtime_ns)
    manifest = verify_archive(archive)
    assert manifest.release == "1.2.3"
    assert manifest.bytes == sum(map(len, CONTENT.values()))


def test_an_archive_cut_off_anywhere_is_refused(archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    cut = tmp_path / "cut"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(ArchiveError, match=str(cut)):
            verify_archive(cut)


def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(
    archive: Path, tmp_path: Path
) -> None:
    content, manifest = archive.read_bytes(), verify_archive(archive)
    bad, refused = tmp_path / "bad", 0
    for place in range(len(content)):
        bad.write_bytes(
            content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]
        )
        try:
            assert verify_archive(bad) == manifest
        except ArchiveError as error:
            assert str(bad) in str(error)
            refused += 1
    assert refused > 0.9 * len(content)


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/x", "", ".", "./x", "a//x", "a/", "..", "a\0b"]
)
def test_a_name_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    bad = forged(tmp_path / "bad", listing(of_content(name)), (member(f"home/{name}"), b"x"))
    with pytest.raises(ArchiveError, match="nothing of it can be trusted"):
        unpacked(bad, tmp_path / "folder")
    assert not (tmp_path / "x").exists()
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (member("../x"), "missing"),
        (member("/x"), "missing"),
        (member("x"), "missing"),
        (member("home/other"), "missing"),
        (member("home/x", 0, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "no regular file"),
        (member("home/x", 0, type=tarfile.LNKTYPE, linkname="manifest.json"), "no regular file"),
        (member("home/x", 0, type=tarfile.DIRTYPE), "no regular file"),
        (member("home/x", 0, type=tarfile.FIFOTYPE), "no regular file"),
        (member("home/x", 2), "2 bytes, not 1"),
        (member("home/" + "x" * 2_000_000), "a header claims"),
    ],
)
def test_a_member_that_is_not_what_the_manifest_lists_is_refused(
    info: tarfile.TarInfo, said: str, tmp_path: Path
) -> None:
    bad = forged(tmp_path / "bad", listing(of_content("x")), (info, b"x" * info.size))
    with pytest.raises(ArchiveError, match=said):
        unpacked(bad, tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (listing(of_content("x"), of_content("x")), "nothing of it can be trusted"),
        (listing(of_content("x"), of_content("x/y")), "nothing of it can be trusted"),
        (listing(of_content("x"), of_content("y")), "y is missing"),
        (listing(), "does not list 'home/x'"),
        (listing(of_content("x", b"y")), "another checksum"),
        (listing(replace(of_content("x"), size=-1)), "manifest cannot be read"),
        (listing(replace(of_content("x"), mode=0o4755)), "manifest cannot be read"),
        ({"format": FORMAT + 1, "release": "9.0.0", "new": 1}, "of release 9.0.0.*install"),
        ([], "manifest cannot be read"),
    ],
)
def test_a_manifest_that_lies_is_refused(listed: object, said: str, tmp_path: Path) -> None:
    bad = forged(tmp_path / "bad", listed, (member("home/x"), b"x"))
    with pytest.raises(ArchiveError, match=said):
        unpacked(bad, tmp_path / "folder")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no archive at all"),
        lambda path: path.mkdir(),
        lambda path: None,
        lambda path: pa.CompressedOutputStream(path, "zstd").close(),
    ],
)
def test_what_is_no_archive_is_named(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "bad")
    with pytest.raises(ArchiveError, match=r"^\S*bad (is|cannot be read)"):
        verify_archive(tmp_path / "bad")


def test_an_archive_that_cannot_be_written_leaves_the_one_before(
    archive: Path, tmp_path: Path
) -> None:
    before = archive.read_bytes()
    (tmp_path / "root" / "no\udcfftext").touch()
    with pytest.raises(ArchiveError, match="rename it"):
        write_archive(archive, tmp_path / "root", "1.2.3", "")
    assert archive.read_bytes() == before
    with pytest.raises(ArchiveError, match="cannot be written"):
        write_archive(tmp_path, tmp_path / "root" / "lake", "1.2.3", "")
    assert not list(tmp_path.parent.glob(".*.tmp"))
