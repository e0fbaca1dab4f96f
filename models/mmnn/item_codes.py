"""What a network has made of its items: enough to score and to explain them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol, Self

import torch
from torch import Tensor

from models.content import Content
from models.mmnn.network import MMNNNetwork
from models.training import one_thread


class ItemCodes(Protocol):
    """The items of a catalogue as an MMNN reads them."""

    @property
    def n_items(self) -> int:
        """How many there are."""
        ...

    def codes_of(self, items: Tensor) -> Tensor:
        """Codes (…, d) of dense items (…)."""
        ...

    def candidates_of(self, items: Tensor) -> Tensor:
        """What user vectors are multiplied with (…, e), of dense items (…)."""
        ...

    def bias_of(self, items: Tensor) -> Tensor:
        """Popularity (…) of dense items (…)."""
        ...

    def ablated_of(self, items: Tensor) -> Tensor:
        """Codes (m + 1, …, d) of dense items (…) without each modality, and without an id."""
        ...

    def scores(self, vectors: Tensor) -> Tensor:
        """Scores (n_users, n_items) of user vectors (n_users, e)."""
        ...


@dataclass(frozen=True)
class FittedItems:
    """The items that an MMNN was fitted to.

    Attributes:
        codes: (n_items, d) what the network makes of each item.
        candidates: (n_items, e) the same as what a user's vector is multiplied with.
        bias: (n_items,) popularity; zero for items without training events.
        known: (n_items,) bool, which have training events, and so an id that says something.
        ablate: makes `ablated` the first time it is called.
    """

    codes: Tensor
    candidates: Tensor
    bias: Tensor
    known: Tensor
    ablate: Callable[[], Tensor]

    @classmethod
    @torch.no_grad()
    def read(cls, network: MMNNNetwork, content: Content, known: Tensor) -> Self:
        """What the network makes of items with this content now."""
        items = torch.arange(len(known), device=known.device)
        ablate = cache(partial(ablated_codes, network, content, items, known))
        codes = network.codes(content, known)
        candidates = network.retrieval.candidates(codes)
        return cls(codes, candidates, network.bias(items, known), known, ablate)

    @property
    def n_items(self) -> int:
        """How many there are."""
        return len(self.known)

    @property
    def ablated(self) -> Tensor:
        """Codes (m + 1, n_items, d) without each modality, and last without an id.

        Only explanations and `save` need them.
        """
        return self.ablate()

    def codes_of(self, items: Tensor) -> Tensor:
        """See `ItemCodes`."""
        return self.codes[items]

    def candidates_of(self, items: Tensor) -> Tensor:
        """See `ItemCodes`."""
        return self.candidates[items]

    def bias_of(self, items: Tensor) -> Tensor:
        """See `ItemCodes`."""
        return self.bias[items]

    def ablated_of(self, items: Tensor) -> Tensor:
        """See `ItemCodes`."""
        return self.ablated[:, items]

    def scores(self, vectors: Tensor) -> Tensor:
        """See `ItemCodes`."""
        return MMNNNetwork.products(vectors, self.candidates, self.bias)


@torch.no_grad()
def ablated_codes(network: MMNNNetwork, content: Content, items: Tensor, known: Tensor) -> Tensor:
    """Codes (m + 1, n, d) of items without modality k, for each of the m, and without an id.

    On one thread, as a fit is: its explanations do not depend on the machine's cores.

    Args:
        network: fitted.
        content: of the items.
        items: (n,) int64 dense indexes, whose ids are read.
        known: (n,) bool, whose id is read.
    """
    modalities = range(content.present.shape[1])
    with one_thread():
        codes = [network.items(content.without(place), items, known) for place in modalities]
        nobody = torch.zeros_like(known)
        return torch.stack([*codes, network.items(content, items, nobody)])
