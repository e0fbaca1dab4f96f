"""Zips that may be hostile, and downloads that stop half way."""

import hashlib
import http.server
import io
import stat
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tenacity import wait_none

from sources.movielens.archive import unpack
from sources.movielens.download import download, full_name
from sources.movielens.source import MovieLensSource
from sources.protocol import SourceError


def make_zip(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


SET = {
    "ml-latest-small/movies.csv": "movieId,title,genres\n1,Heat (1995),Crime\n",
    "ml-latest-small/ratings.csv": "userId,movieId,rating,timestamp\n1,1,4,964982703\n",
}


@pytest.mark.parametrize(
    "name", ["../evil.csv", "a/../../evil.csv", "/etc/evil", "C:\\evil", "..\\evil", "a\\..\\b"]
)
def test_a_member_that_leads_out_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    archive = make_zip(tmp_path / "set.zip", {**SET, name: "x"})
    with pytest.raises(SourceError, match="refused"):
        unpack(archive, tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []
    assert not (tmp_path / "evil.csv").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("ml/ratings.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SourceError, match="link"):
        unpack(tmp_path / "set.zip", tmp_path / "home")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "set.zip", {"ratings.csv": "0" * 200_000})
    with pytest.raises(SourceError, match="more than 100000 bytes"):
        unpack(archive, tmp_path / "home", max_total_bytes=100_000)


def test_what_is_no_zip_or_damaged_is_an_error(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    archive.write_bytes(b"not a zip")
    with pytest.raises(SourceError, match="no zip"):
        unpack(archive, tmp_path / "home")
    make_zip(archive, {"ratings.csv": "a,b,c\n" * 1000})
    content = bytearray(archive.read_bytes())
    content[45:60] = b"\xff" * 15
    archive.write_bytes(bytes(content))
    with pytest.raises(SourceError):
        unpack(archive, tmp_path / "home")


def test_a_zip_is_read_with_the_companions_beside_it(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "ml.zip", SET)
    (tmp_path / "posters").mkdir()
    (tmp_path / "posters" / "1.jpg").write_bytes(b"x")
    (tmp_path / "synopses.csv").write_text("movieId,text\n1,A heist.\n", encoding="utf-8")
    source = MovieLensSource(path=archive, set_name=None, home_sources=tmp_path / "home")
    source.fetch()
    assert source.interactions().frame.collect().height == 1
    assert source.items().frame.collect()["text"].to_list() == ["A heist."]
    uri = source.media().collect()["uri"].item()
    assert (source.root / uri).read_bytes() == b"x"


@dataclass
class Served:
    """What a local server has, and the Range headers it was asked for."""

    url: str
    files: dict[str, bytes]
    ranges: list[str | None] = field(default_factory=list)
    cut_at: int | None = None


@pytest.fixture
def served() -> Iterator[Served]:
    state = Served("", {})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = state.files.get(self.path.lstrip("/"))
            if body is None:
                self.send_error(404)
                return
            asked = self.headers.get("Range")
            if self.path.endswith(".zip"):
                state.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            end = len(body)
            if state.cut_at is not None and self.path.endswith(".zip"):
                end, state.cut_at = state.cut_at, None
            self.wfile.write(body[start:end])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def zip_bytes() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in SET.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def publish(served: Served, body: bytes) -> None:
    digest = hashlib.md5(body).hexdigest()
    served.files = {
        "ml-latest-small.zip": body,
        "ml-latest-small.zip.md5": f"MD5 (ml-latest-small.zip) = {digest}\n".encode(),
    }


def test_a_download_that_breaks_is_continued_where_it_stopped(
    served: Served, tmp_path: Path
) -> None:
    body = zip_bytes()
    publish(served, body)
    served.cut_at = 100
    seen: list[int] = []
    path = download(
        "latest-small",
        tmp_path,
        lambda what, done, total: seen.append(done),
        base_url=served.url,
        pause=wait_none(),
    )
    assert path.read_bytes() == body
    assert served.ranges == [None, "bytes=100-"]
    assert seen == sorted(seen)
    assert seen[-1] == len(body)
    download("latest-small", tmp_path, base_url=served.url)
    assert len(served.ranges) == 2


def test_a_wrong_checksum_throws_the_file_away(served: Served, tmp_path: Path) -> None:
    publish(served, zip_bytes())
    served.files["ml-latest-small.zip"] += b"tampered"
    with pytest.raises(SourceError, match="MD5"):
        download("latest-small", tmp_path, base_url=served.url)
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_is_not_there_is_an_error_with_a_way_out(served: Served, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="by hand"):
        download("ml-1m", tmp_path, base_url=served.url)
    with pytest.raises(SourceError, match="choose one of"):
        full_name("ml-3m")


def test_a_named_set_is_downloaded_unpacked_and_read(served: Served, tmp_path: Path) -> None:
    publish(served, zip_bytes())
    source = MovieLensSource(
        path=None, set_name="ml-latest-small", home_sources=tmp_path, base_url=served.url
    )
    source.fetch()
    assert source.root.is_relative_to(tmp_path)
    assert source.items().frame.collect()["title"].to_list() == ["Heat"]
