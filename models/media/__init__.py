"""Files to pixels and samples: bounded in time and memory, and never outside a given root."""

from models.media.inspection import inspect
from models.media.limits import MediaError, MediaLimits, MediaRecord
from models.media.paths import resolve_inside
from models.media.pool import DecodePool
from models.media.sniffing import MediaType, sniff

__all__ = [
    "DecodePool",
    "MediaError",
    "MediaLimits",
    "MediaRecord",
    "MediaType",
    "inspect",
    "resolve_inside",
    "sniff",
]
