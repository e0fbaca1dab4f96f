"""Encoders by name, as the settings give it."""

from pathlib import Path

import torch

from models.encoders.builtin import LITE0, LOGMEL
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
    from models.encoders.text import load_text

    return load_text(name, weights, device)


def load_image_encoder(
    name: str, *, weights: Path, device: torch.device, limits: MediaLimits | None = None
) -> MediaEncoder:
    """`efficientnet-lite0`, or MODEL/PRETRAINED, `hf-hub:…` or a folder of open_clip.

    Args and errors as for `load_text_encoder`; `limits` bound the frames of a video.
    """
    bounds = limits or MediaLimits()
    if name == LITE0:
        from models.encoders.pictures import load_lite0

        return load_lite0(weights, device, bounds)
    from models.encoders.clip import load_clip

    return load_clip(name, weights, device, bounds)


def load_audio_encoder(
    name: str, *, weights: Path, device: torch.device, limits: MediaLimits | None = None
) -> MediaEncoder:
    """`logmel`, a torchaudio bundle such as WAV2VEC2_BASE, or a local folder.

    Args and errors as for `load_text_encoder`; `limits` bound the seconds that are heard.
    """
    bounds = limits or MediaLimits()
    if name == LOGMEL:
        from models.encoders.sounds import LogMelEncoder

        return LogMelEncoder(device, bounds)
    from models.encoders.waves import load_bundle, load_folder

    folder = Path(name).expanduser()
    if folder.is_dir():
        return load_folder(folder, name, device, bounds)
    return load_bundle(name, weights, device, bounds)
