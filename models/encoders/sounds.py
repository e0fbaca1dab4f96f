"""The default sound encoder: statistics of a log-mel spectrogram over time, without weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from models.encoders.builtin import LOGMEL
from models.encoders.catalogue import LoadRequest
from models.encoders.device import to_device
from models.encoders.fingerprints import fingerprint_of
from models.encoders.protocol import Floats
from models.media.audio import SAMPLE_RATE
from models.media.limits import MediaLimits

_MELS = 40
_SEGMENTS = 3
_QUANTILES = (0.1, 0.5, 0.9)
_SHORTEST = SAMPLE_RATE // 10
_FLOOR = 1e-6
# Mean, deviation and change, then the quantiles, then what each segment has beyond the mean.
_STATISTICS = 3 + len(_QUANTILES) + _SEGMENTS


class LogMelEncoder:
    """Each mel band's mean, deviation, mean change, quantiles and course over the clip's thirds.

    The clip's mean level is taken out first: how loud a file was mastered says nothing about it.
    """

    task = "samples"

    def __init__(self, device: torch.device, limits: MediaLimits) -> None:
        self.name = LOGMEL
        self.fingerprint = fingerprint_of("audio", LOGMEL, limits)
        self.device = str(device)
        self.dim = _MELS * _STATISTICS
        self.task_options: dict[str, Any] = {}
        self.batch_size = 1
        self._device = device
        self._quantiles = torch.tensor(_QUANTILES, device=device)
        self._mel = torchaudio.transforms.MelSpectrogram(
            SAMPLE_RATE, n_fft=512, win_length=400, hop_length=160, n_mels=_MELS, f_min=50.0
        ).to(device)

    def encode(self, batch: Sequence[NDArray[np.float32]]) -> Floats:
        """Features (n, dim) of sounds (samples,) float32, mono at 16 kHz."""
        if not len(batch):
            return np.zeros((0, self.dim), dtype=np.float32)
        with torch.inference_mode():
            rows = torch.stack([self._statistics(samples) for samples in batch])
        return np.asarray(rows.cpu().numpy())

    def _statistics(self, samples: NDArray[np.float32]) -> torch.Tensor:
        padded = np.pad(samples, (0, max(0, _SHORTEST - len(samples))))
        log_mel = torch.log(self._mel(to_device(padded, self._device)) + _FLOOR)
        level = log_mel - log_mel.mean()
        mean = level.mean(1)
        parts = [
            mean,
            level.std(1),
            level.diff(dim=1).abs().mean(1),
            *torch.quantile(level, self._quantiles, dim=1),
            *(segment.mean(1) - mean for segment in level.tensor_split(_SEGMENTS, dim=1)),
        ]
        return torch.cat(parts)


def load_logmel(request: LoadRequest) -> LogMelEncoder:
    """The encoder; it has no weights."""
    return LogMelEncoder(torch.device(request.device), request.limits)
