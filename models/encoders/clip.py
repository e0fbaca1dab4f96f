"""Any other open_clip model (Ilharco et al. 2021): a published pair, a hub name, or a folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image

from models.encoders.catalogue import LoadRequest
from models.encoders.device import autocast, largest_batch, to_device
from models.encoders.fingerprints import fingerprint_of
from models.encoders.protocol import EncoderLoadError, Floats
from models.media.limits import MediaLimits

_CPU_BATCH = 32
_LONGEST_SIDE = 1024


class ClipImageEncoder:
    """Image embeddings of an open_clip model, averaged over the frames of a video."""

    task = "plain_pixels"

    def __init__(
        self,
        name: str,
        model: torch.nn.Module,
        preprocess: Callable[[Image.Image], torch.Tensor],
        device: torch.device,
        limits: MediaLimits,
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint_of("image", name, limits)
        self.device = str(device)
        self.task_options: dict[str, Any] = {"longest": _LONGEST_SIDE}
        self.model: Any = model.eval().to(device)
        self._preprocess = preprocess
        self._device = device
        blank = np.full((1, 64, 64, 3), 255, dtype=np.uint8)
        self.batch_size = 1
        self.dim = self._features(self._prepared([blank])).shape[1]
        self.batch_size = self._find_batch(blank) if device.type == "cuda" else _CPU_BATCH

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> Floats:
        """Features (n, dim) of pictures (frames, height, width, 3) uint8, RGB."""
        features = np.zeros((len(batch), self.dim), dtype=np.float32)
        if not len(batch):
            return features
        frames = np.array([len(clip) for clip in batch], dtype=np.int64)
        owners = np.repeat(np.arange(len(batch)), frames)
        prepared = self._prepared(batch)
        for start in range(0, len(prepared), self.batch_size):
            part = slice(start, start + self.batch_size)
            np.add.at(features, owners[part], self._features(prepared[part]))
        return np.asarray(features / frames[:, None], dtype=np.float32)

    def _prepared(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        pictures = [self._preprocess(Image.fromarray(frame)) for clip in batch for frame in clip]
        return np.asarray(torch.stack(pictures).numpy())

    def _features(self, prepared: NDArray[np.float32]) -> Floats:
        with torch.inference_mode(), autocast(self._device):
            features = self.model.encode_image(to_device(prepared, self._device))
        return np.asarray(features.float().cpu().numpy())

    def _find_batch(self, blank: NDArray[np.uint8]) -> int:
        prepared = self._prepared([blank])
        return largest_batch(lambda size: self._features(np.repeat(prepared, size, 0)), start=16)


def load_clip(request: LoadRequest) -> ClipImageEncoder:
    """An open_clip model by name.

    The name is `MODEL/PRETRAINED` (a tag or a weights file), `hf-hub:…`, or a folder with
    `open_clip_config.json` and its weights.

    Raises:
        EncoderLoadError: there is no such model, or its weights cannot be read or fetched.
    """
    name = request.name
    model_name, pretrained = _parsed(name)
    try:
        model, preprocess = open_clip.create_model_from_pretrained(
            model_name,
            pretrained=pretrained,
            device=request.device,
            cache_dir=str(request.weights / "open_clip"),
            weights_only=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        raise EncoderLoadError(
            f"The image encoder {name!r} cannot be loaded ({reason}); set CROSSMODAL_IMAGE_ENCODER "
            "to efficientnet-lite0, MODEL/PRETRAINED of open_clip (with a network) or a folder."
        ) from error
    return ClipImageEncoder(name, model, preprocess, torch.device(request.device), request.limits)


def _parsed(name: str) -> tuple[str, str | None]:
    if name.startswith(("hf-hub:", "local-dir:")):
        return name, None
    if Path(name).expanduser().is_dir():
        return f"local-dir:{Path(name).expanduser()}", None
    model, _, pretrained = name.partition("/")
    if not pretrained:
        raise EncoderLoadError(
            f"The image encoder {name!r} is neither efficientnet-lite0, MODEL/PRETRAINED of "
            "open_clip, nor a folder; set CROSSMODAL_IMAGE_ENCODER to one of them."
        )
    return model, pretrained
