"""A shop's catalogue as a source: the sample's, under a name of its own."""

from sources.catalogue import SourceRequest
from sources.sample.config import SampleConfig
from sources.sample.source import SampleSource


class ShopSource(SampleSource):
    """The generated catalogue of a shop."""

    name = "shop"


def open_shop(asked: SourceRequest) -> ShopSource:
    """The shop's catalogue, of the sizes that are asked for."""
    return ShopSource(asked.home_sources, asked.sample or SampleConfig())
