"""Every encoder that needs no network, and what loads one of any other name.

An encoder is its own file and an entry here; a setting or a modality names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crossmodal.modalities import MediaKind
from models.encoders.builtin import LITE0, LITE0_SHA256, LOGMEL, MINILM, MINILM_SHA256
from models.media.limits import MediaLimits

Kind = Literal["text"] | MediaKind
"""What an encoder takes."""


@dataclass(frozen=True)
class EncoderEntry:
    """One encoder.

    Attributes:
        kind: what it takes.
        name: as a setting has it.
        identity: its weights and its preprocessing; it changes when the vectors would.
        load: where the function is that loads it, as module:function. It is called with a
            `LoadRequest`.
    """

    kind: Kind
    name: str
    identity: str
    load: str


@dataclass(frozen=True)
class LoadRequest:
    """What the function that loads an encoder goes by.

    Attributes:
        name: as the setting has it.
        weights: folder that keeps downloaded and converted weights.
        device: where it computes, as torch names it.
        limits: of the files: frames of a video, seconds of a sound.
    """

    name: str
    weights: Path
    device: str
    limits: MediaLimits


ENCODERS: tuple[EncoderEntry, ...] = (
    EncoderEntry(
        "text",
        MINILM,
        f"{MINILM_SHA256} mean-pooled 256 tokens",
        "models.encoders.text:load_text",
    ),
    EncoderEntry(
        "image",
        LITE0,
        f"{LITE0_SHA256} tf pad, mean std .5, bucketed 224^2 bicubic, frame mean",
        "models.encoders.pictures:load_lite0",
    ),
    EncoderEntry(
        "audio",
        LOGMEL,
        "logmel 64 25ms 10ms statistics",
        "models.encoders.sounds:load_logmel",
    ),
)

OF_OTHER_NAMES: Mapping[Kind, str] = {
    "text": "models.encoders.text:load_text",
    "image": "models.encoders.clip:load_clip",
    "audio": "models.encoders.waves:load_waves",
}
"""What loads an encoder whose name is in no entry: a model of a hub, or a folder."""


def entry_of(kind: str, name: str) -> EncoderEntry | None:
    """The entry of an encoder; None where it has none."""
    return next((entry for entry in ENCODERS if (entry.kind, entry.name) == (kind, name)), None)
