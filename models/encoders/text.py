"""Texts to unit vectors by sentence-transformers (Reimers and Gurevych 2019): the shared space."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from models.encoders.builtin import MINILM
from models.encoders.catalogue import LoadRequest
from models.encoders.checksums import verified_minilm
from models.encoders.device import autocast_words, largest_batch
from models.encoders.fingerprints import fingerprint_of
from models.encoders.protocol import EncoderLoadError, Floats
from models.encoders.side_by_side import side_by_side

_LOG = logging.getLogger(__name__)
_CPU_BATCH = 64
_TRIAL_WORDS = "word " * 400


class SentenceEncoder:
    """A sentence-transformers model; its vectors have unit norm."""

    def __init__(self, name: str, model: SentenceTransformer, device: torch.device) -> None:
        self.name = name
        self.fingerprint = fingerprint_of("text", name)
        self.device = str(device)
        self.dim = _dim(model)
        self._model = model.eval()
        self._device = device
        self.batch_size = self._find_batch() if device.type == "cuda" else _CPU_BATCH

    def encode(self, batch: Sequence[str]) -> Floats:
        """Unit vectors (n, dim) float32; texts are sorted by length and padded in small batches."""
        if self._device.type == "cpu" and len(batch) > self.batch_size:
            return self._encode_side_by_side(batch)
        return self._encode(batch, self.batch_size)

    def _encode(self, batch: Sequence[str], size: int) -> Floats:
        if not batch:
            return np.zeros((0, self.dim), dtype=np.float32)
        with torch.inference_mode(), autocast_words(self._device):
            vectors = self._model.encode(
                list(batch),
                batch_size=size,
                show_progress_bar=False,
                convert_to_numpy=False,
                convert_to_tensor=True,
            )
        return _unit(vectors)

    def _encode_side_by_side(self, texts: Sequence[str]) -> Floats:
        order = np.argsort([-len(text) for text in texts], kind="stable")
        batches = np.array_split(order, -(-len(texts) // self.batch_size))
        prompt = self._model.prompts.get(self._model.default_prompt_name or "")
        # Tokenizers may not be asked by two threads at once.
        tokens = [
            self._model.preprocess([texts[place] for place in batch], prompt=prompt)
            for batch in batches
        ]
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        vectors[order] = np.concatenate(side_by_side(self._vectors, tokens))
        return vectors

    def _vectors(self, tokens: dict[str, Any]) -> Floats:
        with torch.inference_mode(), autocast_words(self._device):
            vectors = self._model(tokens)["sentence_embedding"]
        return _unit(vectors[:, : self.dim])

    def _find_batch(self) -> int:
        found = largest_batch(
            lambda size: self._encode([_TRIAL_WORDS] * size, size), start=64, most=2048
        )
        _LOG.info("Text: batches of %d fit %s.", found, self.device)
        return found


def load_text(asked: LoadRequest) -> SentenceEncoder:
    """`minilm` (no network), or a sentence-transformers model by its name or folder.

    Only safetensors weights are read.

    Raises:
        WeightsMismatchError: the weights of `minilm` are not the published ones.
        EncoderLoadError: the model cannot be found or read.
    """
    name = asked.name
    folder = Path(name).expanduser()
    if name == MINILM:
        folder = verified_minilm().parent
    local = folder.is_dir()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(
            str(folder) if local else name,
            device=asked.device,
            cache_folder=str(asked.weights / "sentence-transformers"),
            local_files_only=local,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise EncoderLoadError(
            f"The text encoder {name!r} cannot be loaded ({_first_line(error)}); set "
            "CROSSMODAL_TEXT_ENCODER to minilm, a model name (with a network) or its folder."
        ) from error
    finally:
        transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    return SentenceEncoder(name, model, torch.device(asked.device))


def _unit(vectors: torch.Tensor) -> Floats:
    unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
    return np.ascontiguousarray(unit.cpu().numpy())


def _dim(model: SentenceTransformer) -> int:
    dim = model.get_embedding_dimension()
    if dim is None:
        raise EncoderLoadError("The text encoder does not say how long its vectors are.")
    return int(dim)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
