"""Keyed pseudonyms: what a user is called from the ingestion boundary on."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import polars as pl

NEW_USER = "new_user"
"""In place of a pseudonym: the key of the list for someone without history."""

_KEY_BYTES = 32


class PseudonymKeyError(Exception):
    """The pseudonym key cannot be used; the message says which and the way out."""


def load_key(configured: str | None, key_file: Path) -> bytes:
    """The pseudonym key: the configured one, else the key file's.

    Args:
        configured: from the settings.
        key_file: read where nothing is configured.

    Raises:
        PseudonymKeyError: the configured key or the key file is empty, or there is none.
    """
    if configured is not None:
        if not configured.strip():
            raise PseudonymKeyError("CROSSMODAL_ID_KEY is empty; unset it or give it a value.")
        return configured.strip().encode()
    if not key_file.is_file():
        raise PseudonymKeyError(
            f"There is no {key_file}, and a key has named the users of {key_file.parent}: restore "
            "the file from a backup, set CROSSMODAL_ID_KEY if the key was there, or start over "
            "with `crossmodal reset`."
        )
    key = key_file.read_bytes().strip()
    if not key:
        raise PseudonymKeyError(
            f"{key_file} is empty; restore it from a backup, or delete it and all state next to it."
        )
    return key


def make_key(key_file: Path) -> None:
    """Writes a new key, readable by its owner alone (mode 0600), unless the file is there.

    Of two processes at once, one makes it.
    """
    key_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(file, "wb") as writer:
        writer.write(secrets.token_hex(_KEY_BYTES).encode())
        writer.flush()
        os.fsync(file)


def key_identity(key: bytes) -> str:
    """What tells a key from another one, and nothing of the key."""
    return hashlib.sha256(b"key identity" + key).hexdigest()[:8]


def pseudonym(raw_id: str, key: bytes) -> str:
    """HMAC-SHA256 of a raw id, in hex."""
    return hmac.digest(key, raw_id.encode(), hashlib.sha256).hex()


def pseudonymize(
    frame: pl.DataFrame | pl.LazyFrame, key: bytes, column: str = "user_id"
) -> pl.DataFrame:
    """The frame with pseudonyms in place of the raw ids; row and column order stay.

    Every distinct id is hashed once and joined back, so that millions of events cost little.
    """
    whole = frame.lazy()
    raw = whole.select(pl.col(column).unique().sort()).collect(engine="streaming").to_series()
    hashed = pl.Series([pseudonym(value, key) for value in raw], dtype=pl.String)
    names = pl.LazyFrame({column: raw, "_pseudonym": hashed})
    order = whole.collect_schema().names()
    return (
        whole.join(names, on=column, how="left", maintain_order="left")
        .with_columns(pl.col("_pseudonym").alias(column))
        .select(order)
        .collect(engine="streaming")
    )
