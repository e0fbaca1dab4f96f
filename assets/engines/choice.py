"""The engine that the settings name."""

from importlib.util import find_spec

from assets.engines.local import LocalEngine
from assets.engines.protocol import Engine
from crossmodal.settings import Settings


class EngineMissingError(RuntimeError):
    """The engine that the settings name is not installed; the message says how to install it."""


def engine_of(settings: Settings) -> Engine:
    """The engine of `CROSSMODAL_ENGINE`.

    Raises:
        EngineMissingError: it is Ray, which is not installed.
    """
    if settings.engine == "local":
        return LocalEngine(settings)
    if find_spec("ray") is None:
        raise EngineMissingError(
            "CROSSMODAL_ENGINE is ray, but Ray is not installed: run `make ray` or "
            "`pip install .[ray]` in the checkout, or set CROSSMODAL_ENGINE=local."
        )
    from assets.engines.on_ray import RayEngine

    return RayEngine(settings)
