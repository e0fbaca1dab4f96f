"""Encoders by name, as the settings give it."""

from pathlib import Path
from pkgutil import resolve_name
from typing import cast

import torch

from models.encoders.catalogue import OF_OTHER_NAMES, Kind, LoadRequest, entry_of
from models.encoders.protocol import MediaEncoder, TextEncoder
from models.media.limits import MediaLimits


def load_text_encoder(name: str, *, weights: Path, device: torch.device) -> TextEncoder:
    """`minilm`, or any sentence-transformers model name or folder.

    Args:
        name: as in the setting.
        weights: folder that keeps downloaded and converted weights.
        device: where it computes (`models.encoders.device.choose_device`).

    Raises:
        WeightsMismatchError: the weights are not the published ones.
        EncoderLoadError: the model cannot be found or read.
    """
    return cast(TextEncoder, _loaded("text", name, weights, device, None))


def load_media_encoder(
    kind: Kind,
    name: str,
    *,
    weights: Path,
    device: torch.device,
    limits: MediaLimits | None = None,
) -> MediaEncoder:
    """What encodes pictures or sounds.

    Args:
        kind: image or audio.
        name: of `models.encoders.catalogue`; else, of pictures, MODEL/PRETRAINED, `hf-hub:…` or a
            folder of open_clip, and of sounds a torchaudio bundle such as WAV2VEC2_BASE or a
            folder.
        weights: as for `load_text_encoder`.
        device: as for `load_text_encoder`.
        limits: bound the frames of a video and the seconds that are heard; the defaults if None.

    Raises:
        WeightsMismatchError: the weights are not the published ones.
        EncoderLoadError: the model cannot be found or read.
    """
    return cast(MediaEncoder, _loaded(kind, name, weights, device, limits))


def _loaded(
    kind: Kind, name: str, weights: Path, device: torch.device, limits: MediaLimits | None
) -> object:
    entry = entry_of(kind, name)
    # Imported when it is needed: torch and its companions take seconds.
    load = resolve_name(OF_OTHER_NAMES[kind] if entry is None else entry.load)
    return load(LoadRequest(name, weights, str(device), limits or MediaLimits()))
