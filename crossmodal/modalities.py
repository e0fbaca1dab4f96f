"""The kinds of content that an item can have, each said once.

Tables, feature views, checks, pictures, reasons and the service ask here. One more that is encoded
from items' pictures or sounds takes an entry and its encoder (docs/adding-a-modality.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, get_args

from crossmodal.settings import Settings

MediaKind = Literal["image", "audio"]
"""What a file of an item is; a video gives a picture, its frames, and a sound."""

MEDIA_KINDS: tuple[MediaKind, ...] = get_args(MediaKind)


@dataclass(frozen=True)
class Modality:
    """One kind of content.

    Attributes:
        name: in the names of tables and features, and in figures.
        phrase: what a reason calls it, such as "its picture".
        encoder: the name of what encodes it, by the settings.
        media: the files it is encoded from, whose features are aligned; None where it is made of
            columns or of events.
        of_words: whether its vectors are in the text space as they are; a fitted map brings those
            of others there.
        changes: whether it is made of what users did, and so differs from one instant to another.
    """

    name: str
    phrase: str
    encoder: Callable[[Settings], str]
    media: MediaKind | None = None
    of_words: bool = False
    changes: bool = False


def _attributes_encoder(_: Settings) -> str:
    return "attributes-2"


DECLARED: tuple[Modality, ...] = (
    Modality("text", "its description", attrgetter("text_encoder"), of_words=True),
    Modality("image", "its picture", attrgetter("image_encoder"), media="image"),
    Modality("audio", "its sound", attrgetter("audio_encoder"), media="audio"),
    Modality(
        "reviews",
        "what people wrote about it",
        attrgetter("text_encoder"),
        of_words=True,
        changes=True,
    ),
    Modality("attributes", "its categories and figures", _attributes_encoder),
)
"""All of them, in the order of every table and picture."""

MODALITIES = tuple(modality.name for modality in DECLARED)
"""Their names: the tokens that an item can have."""

TIME_DEPENDENT = frozenset(modality.name for modality in DECLARED if modality.changes)
"""Those made of what users did; the others describe the item and hold at any time."""

LASTING = tuple(modality.name for modality in DECLARED if not modality.changes)
"""Those that hold at any time."""

TOWERS = tuple(modality.name for modality in DECLARED if not modality.of_words)
"""Those with features of their own, which a fitted map brings into the text space."""

_BY_NAME = {modality.name: modality for modality in DECLARED}


def modality_of(name: str) -> Modality:
    """The modality of a name in `MODALITIES`."""
    return _BY_NAME[name]


def made_of_media(kind: str) -> tuple[Modality, ...]:
    """The modalities that are encoded from files of one kind."""
    return tuple(modality for modality in DECLARED if modality.media == kind)
