"""An MMNN over items that came, or changed, after its fit."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Never

import numpy as np
import torch
from torch import Tensor

from models.content import Content, content_at
from models.data import Dataset, Ints, TokenTable
from models.extending import further_ties, of_width
from models.mmnn.explanation import ablated_codes
from models.mmnn.model import MMNN
from models.reducers import CrossFitted
from models.training import one_thread


class ExtendedMMNN(MMNN):
    """Reads the arrays of a fitted MMNN where they lie, and beside them those of k other items.

    What was learned is neither copied nor changed, so that processes go on sharing what they have
    mapped.

    Args:
        model: fitted on n items.
        tokens: of the k items.
        places: (k,) ascending dense indexes of the items; from n on those that follow.
    """

    def __init__(self, model: MMNN, tokens: Mapping[str, TokenTable], places: Ints) -> None:
        super().__init__(model.config, str(model.device))
        vars(self).update(vars(model))
        n_items = len(model.known)
        self.n_items = max(n_items, int(places.max(initial=-1)) + 1)
        self.ties = further_ties(model.ties, places)
        self._places = torch.from_numpy(places.astype(np.int64)).to(model.device)
        changed = self._places < n_items
        self._ids = torch.where(changed, self._places, 0)
        self._known = model.known[self._ids] & changed
        self._own_content = _content(model, tokens, places).to(model.device)
        with torch.no_grad(), one_thread():
            self._own_codes = self.network.items(self._own_content, self._ids, self._known)
            self._own_candidates = self.network.retrieval.candidates(self._own_codes)
            self._own_bias = self.network.bias(self._ids, self._known)

    def codes_of(self, items: Tensor) -> Tensor:
        """Codes (…, d) of dense items (…)."""
        return self._rows(self.codes, self._own_codes, items)

    def candidates_of(self, items: Tensor) -> Tensor:
        """What user vectors are multiplied with (…, e), of dense items (…)."""
        return self._rows(self.candidates, self._own_candidates, items)

    def bias_of(self, items: Tensor) -> Tensor:
        """Popularity (…) of dense items (…)."""
        own = self._rows(self.bias.unsqueeze(-1), self._own_bias.unsqueeze(-1), items)
        return own.squeeze(-1)

    def ablated_of(self, items: Tensor) -> Tensor:
        """Codes (m + 1, …, d) of dense items (…) without each modality, and without an id."""
        return self._rows(self.ablated, self._own_ablated, items)

    def logits(self, vectors: Tensor, items: Tensor | None) -> Tensor:
        """Scores (n_users, k) of user vectors (n_users, e) and items (k,), all where None."""
        if items is not None:
            return super().logits(vectors, items)
        scores = vectors.new_empty(len(vectors), self.n_items)
        scores[:, : len(self.known)] = super().logits(vectors, None)
        scores[:, self._places] = self.network.products(
            vectors, self._own_candidates, self._own_bias
        )
        return scores

    def fit(self, dataset: Dataset) -> Never:
        """An extension learns nothing: fit the model itself."""
        raise TypeError("A model with further items cannot be fitted; fit the model behind it.")

    def masked(self, tokens: Mapping[str, TokenTable]) -> Never:
        """An extension has tokens of its own: mask the model itself."""
        raise TypeError("A model with further items cannot be masked; mask the model behind it.")

    def save(self, folder: Path) -> Never:
        """An extension has nothing to keep: save the model itself."""
        raise TypeError("A model with further items cannot be saved; save the model behind it.")

    @cached_property
    def _own_ablated(self) -> Tensor:
        """What `ablated_codes` says of the k items; only explanations need it."""
        return ablated_codes(self.network, self._own_content, self._ids, self._known)

    def _rows(self, base: Tensor, own: Tensor, items: Tensor) -> Tensor:
        """Rows (…, d) of items (…): of `own` (…, k, d) where they have one, else of `base`."""
        if not len(self._places):
            return base[..., items, :]
        slots = torch.searchsorted(self._places, items).clamp(max=len(self._places) - 1)
        replaced = (self._places[slots] == items).unsqueeze(-1)
        kept = base[..., items.clamp(max=base.shape[-2] - 1), :]
        return torch.where(replaced, own[..., slots, :], kept)


def _content(model: MMNN, tokens: Mapping[str, TokenTable], places: Ints) -> Content:
    """What the network reads of the k items: each by the regressions that have not seen it."""
    fitted = places < len(model.known)
    reducers = {}
    for name, reducer in model.reducers.items():
        folds = np.where(fitted, reducer.fold_of[np.where(fitted, places, 0)], -1)
        reducers[name] = CrossFitted(reducer.whole, reducer.folds, folds.astype(np.int32))
    widths = {name: len(reducer.whole.mean) for name, reducer in reducers.items()}
    return content_at(of_width(tokens, widths), reducers, len(places))
