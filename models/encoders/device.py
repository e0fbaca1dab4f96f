"""Which device computes, and how much it takes at once."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

_LOG = logging.getLogger(__name__)


def choose_device(setting: str = "auto") -> torch.device:
    """The device for a setting: auto, cpu, cuda, cuda:N or mps.

    A device that is asked for but absent falls back to the CPU with a warning.

    Raises:
        ValueError: the setting names no device.
    """
    if setting == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        wanted = torch.device(setting)
    except RuntimeError as error:
        raise ValueError(
            f"The device {setting!r} is unknown; set auto, cpu, cuda, cuda:N or mps."
        ) from error
    if not _present(wanted):
        _LOG.warning("The device %s is not there; the CPU computes instead.", setting)
        return torch.device("cpu")
    return wanted


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Bfloat16 on CUDA, full precision elsewhere."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def autocast_words(device: torch.device) -> AbstractContextManager[object]:
    """Bfloat16 on CUDA and on CPUs that compute in it, full precision elsewhere.

    For transformers of texts: MiniLM's vectors keep a cosine of .9998 or more to those of full
    precision. Those of EfficientNet lose more by it than two machines may differ by.
    """
    if device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False):
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return autocast(device)


def to_device(batch: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array as a tensor on the device; to CUDA through pinned memory, without waiting."""
    tensor = torch.from_numpy(np.ascontiguousarray(batch))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def largest_batch(run: Callable[[int], object], start: int, most: int = 4096) -> int:
    """The largest batch size, by doubling from `start`, that the device's memory holds.

    Args:
        run: computes one batch of the given size.
        start: a size to begin with; halved while even that does not fit.
        most: never more than this.

    Raises:
        torch.OutOfMemoryError: not even a batch of one fits.
    """
    size = start
    while not _fits(run, size):
        if size == 1:
            raise torch.OutOfMemoryError("Not even a batch of one fits the device's memory.")
        size //= 2
    while size < start * 64 and size * 2 <= most and size >= start and _fits(run, size * 2):
        size *= 2
    return size


def _fits(run: Callable[[int], object], size: int) -> bool:
    try:
        run(size)
    except torch.OutOfMemoryError:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return False
    return True


def _present(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"
