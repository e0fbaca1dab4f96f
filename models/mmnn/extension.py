"""What an MMNN makes of items that came, or changed, after its fit."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.content import Content, content_at
from models.data import Ints, TokenTable
from models.extending import of_width
from models.mmnn.item_codes import FittedItems, ablated_codes
from models.mmnn.network import MMNNNetwork
from models.reducers import CrossFitted
from models.training import one_thread


class ExtendedItems:
    """Reads the codes of a fit where they lie, and next to them those of k other items.

    What was learned is neither copied nor changed, so that processes go on sharing what they have
    mapped.

    Args:
        network: fitted.
        fitted: n items.
        content: of the k items.
        places: (k,) ascending dense indexes of the items; from n on those that follow.
    """

    def __init__(
        self, network: MMNNNetwork, fitted: FittedItems, content: Content, places: Ints
    ) -> None:
        self._network, self._fitted, self._content = network, fitted, content
        self._n_items = max(fitted.n_items, int(places.max(initial=-1)) + 1)
        self._places = torch.from_numpy(places.astype(np.int64)).to(fitted.known.device)
        changed = self._places < fitted.n_items
        self._ids = torch.where(changed, self._places, 0)
        self._known = fitted.known[self._ids] & changed
        with torch.no_grad(), one_thread():
            self._codes = network.items(content, self._ids, self._known)
            self._candidates = network.retrieval.candidates(self._codes)
            self._bias = network.bias(self._ids, self._known)

    @property
    def n_items(self) -> int:
        """How many there are."""
        return self._n_items

    def codes_of(self, items: Tensor) -> Tensor:
        """See `ItemCodes`."""
        return self._rows(self._fitted.codes, self._codes, items)

    def candidates_of(self, items: Tensor) -> Tensor:
        """See `ItemCodes`."""
        return self._rows(self._fitted.candidates, self._candidates, items)

    def bias_of(self, items: Tensor) -> Tensor:
        """See `ItemCodes`."""
        biases = self._rows(self._fitted.bias.unsqueeze(-1), self._bias.unsqueeze(-1), items)
        return biases.squeeze(-1)

    def ablated_of(self, items: Tensor) -> Tensor:
        """See `ItemCodes`."""
        return self._rows(self._fitted.ablated, self._ablated, items)

    def scores(self, vectors: Tensor) -> Tensor:
        """See `ItemCodes`."""
        scores = vectors.new_empty(len(vectors), self.n_items)
        scores[:, : self._fitted.n_items] = self._fitted.scores(vectors)
        scores[:, self._places] = MMNNNetwork.products(vectors, self._candidates, self._bias)
        return scores

    @cached_property
    def _ablated(self) -> Tensor:
        """What `ablated_codes` says of the k items; only explanations need it."""
        return ablated_codes(self._network, self._content, self._ids, self._known)

    def _rows(self, fitted: Tensor, further: Tensor, items: Tensor) -> Tensor:
        """Rows (…, d) of items (…): of `further` (…, k, d) where it has them, else of `fitted`."""
        if not len(self._places):
            return fitted[..., items, :]
        slots = torch.searchsorted(self._places, items).clamp(max=len(self._places) - 1)
        replaced = (self._places[slots] == items).unsqueeze(-1)
        fitted_rows = fitted[..., items.clamp(max=fitted.shape[-2] - 1), :]
        return torch.where(replaced, further[..., slots, :], fitted_rows)


def content_of_further(
    reducers: Mapping[str, CrossFitted],
    tokens: Mapping[str, TokenTable],
    places: Ints,
    n_fitted: int,
) -> Content:
    """What the network reads of k items: each by the regressions that have not seen it.

    Args:
        reducers: of the fit.
        tokens: of the k items.
        places: (k,) their dense indexes.
        n_fitted: how many items the fit had.
    """
    fitted = places < n_fitted
    unseeing = {}
    for name, reducer in reducers.items():
        folds = np.where(fitted, reducer.fold_of[np.where(fitted, places, 0)], -1)
        unseeing[name] = CrossFitted(reducer.whole, reducer.folds, folds.astype(np.int32))
    widths = {name: len(reducer.whole.mean) for name, reducer in unseeing.items()}
    return content_at(of_width(tokens, widths), unseeing, len(places))
