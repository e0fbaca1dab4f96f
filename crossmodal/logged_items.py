"""What the log of items says of one item."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Description:
    """What an item is.

    Attributes:
        title: what people call it.
        text: its description; may be empty.
        categories: what it is filed under.
        created_at: UTC microseconds from which it was in the catalogue.
        attributes: its named numbers.
    """

    title: str
    text: str
    categories: tuple[str, ...]
    created_at: int
    attributes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredMedia:
    """A picture or sound: the hash of its bytes (hex), which is its file's name, and its type."""

    sha256: str
    mime: str


@dataclass(frozen=True)
class Vector:
    """A tower's own features of one modality of an item.

    Attributes:
        fingerprint: of the encoder.
        features: float32 in the machine's order, as bytes.
    """

    fingerprint: str
    features: bytes


@dataclass(frozen=True)
class LoggedItem:
    """The newest state of one item.

    Attributes:
        item_id: the app's own.
        number: of the change that made this state; a later change has a higher one.
        deleted: whether it may never be shown again.
        description: None where only its media were put: the rest is as the catalogue has it.
        media: by modality.
        vectors: by modality, of what was put.
    """

    item_id: str
    number: int
    deleted: bool
    description: Description | None
    media: Mapping[str, StoredMedia]
    vectors: Mapping[str, Vector]
