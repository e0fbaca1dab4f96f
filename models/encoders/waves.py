"""Pretrained speech and sound models of torchaudio: a bundle by name, or a local folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from models.encoders.catalogue import LoadRequest
from models.encoders.device import autocast, to_device
from models.encoders.fingerprints import fingerprint_of
from models.encoders.protocol import EncoderLoadError, Floats
from models.media.audio import SAMPLE_RATE
from models.media.limits import MediaLimits

_SHORTEST = SAMPLE_RATE // 10
_REMEDY = "set CROSSMODAL_AUDIO_ENCODER to logmel, a torchaudio bundle or a folder"


class WaveEncoder:
    """Mean and deviation over time of a wav2vec 2.0 family model's middle layer.

    The middle layer says more about sounds and speakers than the last, which was trained to guess
    masked units (Pasad et al. 2021).
    """

    task = "samples"

    def __init__(
        self, name: str, model: torch.nn.Module, device: torch.device, limits: MediaLimits
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint_of("audio", name, limits)
        self.device = str(device)
        self.task_options: dict[str, Any] = {}
        self.batch_size = 1
        self.model: Any = model.eval().to(device)
        self._device = device
        self.dim = self.encode([np.zeros(_SHORTEST, dtype=np.float32)]).shape[1]

    def encode(self, batch: Sequence[NDArray[np.float32]]) -> Floats:
        """Features (n, dim) of sounds (samples,) float32, mono at 16 kHz."""
        if not len(batch):
            return np.zeros((0, self.dim), dtype=np.float32)
        return np.stack([self._pooled(samples) for samples in batch])

    def _pooled(self, samples: NDArray[np.float32]) -> Floats:
        padded = np.pad(samples, (0, max(0, _SHORTEST - len(samples))))
        scaled = (padded - padded.mean()) / (padded.std() + 1e-5)
        waves = to_device(scaled[None].astype(np.float32), self._device)
        with torch.inference_mode(), autocast(self._device):
            layers, _ = self.model.extract_features(waves)
            frames = layers[len(layers) // 2][0].float()
        pooled = torch.cat([frames.mean(0), frames.std(0, correction=0)])
        return np.asarray(pooled.cpu().numpy())


def load_waves(request: LoadRequest) -> WaveEncoder:
    """A bundle of torchaudio by its name, or a folder with a model of one's own.

    Raises:
        EncoderLoadError: there is no such bundle or model, or it cannot be read or fetched.
    """
    folder = Path(request.name).expanduser()
    return _of_folder(folder, request) if folder.is_dir() else _of_bundle(request)


def _of_bundle(request: LoadRequest) -> WaveEncoder:
    """A bundle of `torchaudio.pipelines`, fetched once into the folder of the weights.

    Raises:
        EncoderLoadError: there is no such bundle, it has no features, or it cannot be fetched.
    """
    name = request.name
    bundle = getattr(torchaudio.pipelines, name, None)
    if not isinstance(bundle, torchaudio.pipelines.Wav2Vec2Bundle):
        raise EncoderLoadError(
            f"The audio encoder {name!r} is no torchaudio bundle with features, such as "
            f"WAV2VEC2_BASE or HUBERT_BASE; {_REMEDY}."
        )
    if bundle.sample_rate != SAMPLE_RATE:
        raise EncoderLoadError(f"The bundle {name} wants {bundle.sample_rate} Hz; {_REMEDY}.")
    folder = request.weights / "torchaudio"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        model = bundle.get_model(dl_kwargs={"model_dir": str(folder)})
    except (OSError, RuntimeError, ValueError) as error:
        raise EncoderLoadError(
            f"The audio encoder {name!r} cannot be fetched ({error}); {_REMEDY}."
        ) from error
    return WaveEncoder(name, model, torch.device(request.device), request.limits)


def _of_folder(folder: Path, request: LoadRequest) -> WaveEncoder:
    """A wav2vec 2.0 family model of one's own.

    Args:
        folder: holds `model.safetensors` and `config.json`, an object with `architecture` (a
            function of `torchaudio.models` such as `wav2vec2_model`) and its `arguments`.
        request: the rest.

    Raises:
        EncoderLoadError: a file is missing or does not fit.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        build = getattr(torchaudio.models, config["architecture"])
        model = build(**config.get("arguments", {}))
        model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        raise EncoderLoadError(
            f"The folder {folder} holds no audio encoder ({error}); it needs config.json with "
            "architecture and arguments, and model.safetensors."
        ) from error
    return WaveEncoder(request.name, model, torch.device(request.device), request.limits)
