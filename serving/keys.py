"""API keys: made and revoked by the operator, kept as hashes, compared in constant time."""

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter

from crossmodal.atomic import atomic_write_bytes

_log = logging.getLogger(__name__)

Scope = Literal["read", "events", "items", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_PREFIX = "cm"
_SECRET_BYTES = 32


class KeyNameError(ValueError):
    """A key cannot be made or revoked under a name; the message says why."""


class KeyFileError(RuntimeError):
    """The file of the keys cannot be read; nobody is let in until it can.

    The message names the file and the way out: it is for the operator, not for who calls.
    """


@dataclass(frozen=True)
class ApiKey:
    """One key as it is kept: the secret itself is not.

    Attributes:
        name: what the operator calls it; part of the key, and no secret.
        scopes: what its holder may do; `admin` may do everything.
        secret_sha256: of the secret, which has 256 bits of chance: no slower hash is needed.
        created_at: ISO 8601, UTC.
    """

    name: str
    scopes: tuple[Scope, ...]
    secret_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    created_at: str

    def allows(self, scope: Scope) -> bool:
        """Whether the holder may do what the scope names."""
        return scope in self.scopes or "admin" in self.scopes


_FILE = TypeAdapter(tuple[ApiKey, ...])


class KeyRing:
    """The keys of one home, read again when their file has changed.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._reported: str | None = None
        self._keys: dict[str, ApiKey] = {}
        self._required = False

    def all(self) -> tuple[ApiKey, ...]:
        """All keys, by name."""
        return tuple(key for _, key in sorted(self._read().items()))

    def required(self) -> bool:
        """Whether callers need a key: from the first key on, even after all are revoked."""
        # Read each time, so that nobody is answered while the file is damaged.
        has_keys = bool(self._read())
        self._required = self._required or has_keys
        return self._required

    def report(self, error: KeyFileError) -> None:
        """Tells the operator why nobody is let in: in the log, once, however many callers ask."""
        if str(error) != self._reported:
            _log.error("Nobody is let in. %s", error)
        self._reported = str(error)

    def add(self, name: str, scopes: Collection[Scope]) -> str:
        """Makes a key and returns it: the only time that it can be read.

        Raises:
            KeyNameError: the name is taken, or holds more than letters, digits and `-`.
            KeyFileError: the file cannot be read or written.
        """
        known = self._read()
        if not name.replace("-", "").isalnum() or not name.isascii():
            raise KeyNameError(f"A key's name has letters, digits and -; {name!r} has others.")
        if name in known:
            raise KeyNameError(f"There is a key {name!r}; revoke it, or take another name.")
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        chosen = tuple(scope for scope in SCOPES if scope in scopes)
        key = ApiKey(name, chosen, _hash(secret), datetime.now(UTC).isoformat(timespec="seconds"))
        self._write({**known, name: key})
        return f"{_PREFIX}.{name}.{secret}"

    def revoke(self, name: str) -> None:
        """Makes a key worthless; running services notice at their next request.

        Raises:
            KeyNameError: there is no such key.
            KeyFileError: the file cannot be read or written.
        """
        known = self._read()
        if name not in known:
            raise KeyNameError(f"There is no key {name!r}; there are {', '.join(known) or 'none'}.")
        self._write({other: key for other, key in known.items() if other != name})

    def holder(self, token: str) -> ApiKey | None:
        """The key that a token is; None where it is none."""
        prefix, _, rest = token.partition(".")
        name, _, secret = rest.partition(".")
        key = self._read().get(name)
        expected = key.secret_sha256 if key else _hash("")
        same = hmac.compare_digest(_hash(secret), expected)
        return key if key and same and prefix == _PREFIX else None

    def _read(self) -> dict[str, ApiKey]:
        """The keys by name; none before the first was made.

        Raises:
            KeyFileError: there is a file that cannot be read.
        """
        try:
            facts = self._path.stat() if self._path.exists() else self._path.lstat()
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return self._keys
        except OSError as error:
            raise self._unreadable(str(error.strerror)) from error
        now = (facts.st_ino, facts.st_mtime_ns)
        if now != self._seen:
            try:
                keys = _FILE.validate_json(self._path.read_bytes())
            except ValueError as error:
                raise self._unreadable("it is damaged") from error
            except OSError as error:
                raise self._unreadable(str(error.strerror)) from error
            self._keys, self._seen = {key.name: key for key in keys}, now
            self._reported = None
        return self._keys

    def _unreadable(self, why: str) -> KeyFileError:
        return KeyFileError(
            f"The keys in {self._path} cannot be read ({why}): restore the file from a backup, or "
            "delete it and make the keys again."
        )

    def _write(self, keys: dict[str, ApiKey]) -> None:
        rows = [asdict(key) for _, key in sorted(keys.items())]
        try:
            atomic_write_bytes(self._path, f"{json.dumps(rows, indent=1)}\n".encode())
        except OSError as error:
            raise KeyFileError(
                f"The keys cannot be written to {self._path} ({error.strerror}): let the user of "
                "this process write there, or set CROSSMODAL_HOME to another folder."
            ) from error


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
