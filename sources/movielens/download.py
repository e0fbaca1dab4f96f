"""Downloads a published MovieLens set: resumed where it stopped, checked against its MD5."""

import hashlib
import logging
import re
from pathlib import Path

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential
from tenacity.wait import wait_base

from sources.protocol import Progress, SourceError

logger = logging.getLogger(__name__)

BASE_URL = "https://files.grouplens.org/datasets/movielens"
NAMES = ("ml-latest-small", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m")
_ATTEMPTS = 5
_TIMEOUT = httpx.Timeout(30.0)
_PAUSE = wait_exponential(multiplier=1, max=20)


def download(
    name: str,
    into: Path,
    progress: Progress | None = None,
    *,
    base_url: str = BASE_URL,
    pause: wait_base = _PAUSE,
) -> Path:
    """The zip of a published set in the folder `into`; nothing is sent where it is there already.

    A part that an earlier run left is continued with a Range request. The MD5 is GroupLens' own,
    next to the zip; a file whose sum differs is thrown away.

    Args:
        name: one of `NAMES`; an alias such as 100k is taken too.
        into: folder of the zip.
        progress: called with the number of bytes.
        base_url: where the sets are; another one for a mirror.
        pause: wait between attempts.

    Raises:
        SourceError: the name is unknown, there is no network, or the checksum is wrong.
    """
    name = full_name(name)
    target = into / f"{name}.zip"
    if target.is_file():
        return target
    into.mkdir(parents=True, exist_ok=True)
    part = into / f".{name}.zip.part"
    url = f"{base_url.rstrip('/')}/{name}.zip"
    attempt = retry(
        retry=retry_if_exception_type(httpx.TransportError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=pause,
        reraise=True,
    )
    try:
        with httpx.Client(follow_redirects=True, timeout=_TIMEOUT) as client:
            expected = attempt(_published_md5)(client, f"{url}.md5")
            attempt(_fetch)(client, url, part, progress)
    except httpx.HTTPError as error:
        raise SourceError(
            f"{url} cannot be fetched ({error}); check the network, or download it by hand "
            "and give its path. What has arrived is kept and continued."
        ) from error
    _check(part, expected, url)
    part.replace(target)
    return target


def full_name(name: str) -> str:
    """The published name of a set: `100k` and `ml-100k` are one.

    Raises:
        SourceError: no set has the name.
    """
    wanted = name if name.startswith("ml-") else f"ml-{name}"
    if wanted not in NAMES:
        raise SourceError(f"No MovieLens set is named {name!r}; choose one of {', '.join(NAMES)}.")
    return wanted


def _published_md5(client: httpx.Client, url: str) -> str:
    text = client.get(url).raise_for_status().text
    checksum = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if checksum is None:
        raise SourceError(f"{url} holds no MD5 sum; download the zip by hand and give its path.")
    return checksum.group().lower()


def _fetch(client: httpx.Client, url: str, part: Path, progress: Progress | None) -> None:
    have = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        response.raise_for_status()
        continued = response.status_code == httpx.codes.PARTIAL_CONTENT
        done = have if continued else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if continued else "wb") as sink:
            # As it arrives, so that a connection that breaks loses nothing of it.
            for chunk in response.iter_raw():
                sink.write(chunk)
                done += len(chunk)
                if progress:
                    progress(
                        f"downloading {part.name.strip('.').removesuffix('.part')}", done, total
                    )


def _check(part: Path, expected: str, url: str) -> None:
    with part.open("rb") as file:
        # MD5 is what GroupLens publishes: it guards against damage here, not against an attacker.
        actual = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if actual != expected:
        part.unlink()
        raise SourceError(
            f"{url} arrived with MD5 {actual}, published is {expected}; run again for another."
        )
    logger.info("%s has its published MD5.", url)
