"""What a network takes over from an earlier fit of the same settings, item by item."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from torch import Tensor, nn

from models.data import Bools, Dataset, Floats, Ints, Vocabulary
from models.protocol import WarmStartError
from models.reducers import CrossFitted

_SHARE = 4
"""One in so many of the epochs of a fit is trained again."""


class ItemNetwork(nn.Module):
    """A network some of whose weights belong to one item each."""

    of_items: ClassVar[tuple[str, ...]]
    """Names of the weights that have one row per item."""


@dataclass(frozen=True)
class EarlierFit:
    """A network that was fitted before, in the indexes of a newer catalogue.

    Attributes:
        weights: of the network, by name.
        rows: (n_items,) the row that each item of the newer catalogue has in weights with one row
            per item; -1 where the fit has learned nothing of the item.
        reducers: what reads the items' features, as the weights expect it.
    """

    weights: Mapping[str, Tensor]
    rows: Ints
    reducers: dict[str, CrossFitted]

    @property
    def learned(self) -> Bools:
        """Which items (n_items,) the fit has learned something of."""
        return self.rows >= 0

    def table(self, name: str) -> Floats:
        """The rows (n, …) of the items that were learned of, in the order of the catalogue."""
        rows: Floats = self.weights[name].cpu().numpy()[self.rows[self.learned]]
        return rows

    @torch.no_grad()
    def resume(self, network: ItemNetwork) -> None:
        """Puts the weights into a network of the newer catalogue, in place of its first ones.

        Rows of items that the fit has learned nothing of stay as they are.
        """
        learned, rows = torch.from_numpy(self.learned), torch.from_numpy(self.rows).long()
        for name, begun in network.state_dict().items():
            earlier = self.weights[name].to(begun.device)
            if name in network.of_items:
                begun[learned.to(begun.device)] = earlier[rows[learned].to(begun.device)]
            else:
                begun.copy_(earlier)


def earlier_fit(
    network: ItemNetwork,
    reducers: Mapping[str, CrossFitted],
    known: Bools,
    item_ids: Vocabulary,
    dataset: Dataset,
) -> EarlierFit:
    """An earlier fit for a network of a newer dataset.

    Args:
        network: as it was fitted.
        reducers: of the fit.
        known: (n,) which items of the fit had training events.
        item_ids: of the n items of the fit.
        dataset: that is learned from now.

    Raises:
        WarmStartError: the dataset has other modalities than the fit had, or of another width.
    """
    _require_same_features(reducers, dataset)
    places = item_ids.indexes(dataset.item_ids.ids)
    there = places >= 0
    rows = np.where(there & np.append(known, False)[places], places, -1).astype(np.int32)
    carried = {
        name: replace(one, fold_of=np.append(one.fold_of, np.int32(-1))[places])
        for name, one in reducers.items()
    }
    return EarlierFit(network.state_dict(), rows, carried)


def passed_over(length: int | None, earlier: EarlierFit | None) -> int:
    """How many of the first epochs of a training of known length a network leaves out.

    Where it goes on from an earlier fit, the last quarter is left, rounded up.
    """
    if length is None or earlier is None:
        return 0
    return length - -(-length // _SHARE)


def rotation(begun: Floats, earlier: Floats) -> Floats:
    """The rotation R (d, d) with the least ‖begun R − earlier‖ (Schönemann 1966).

    Factors of a decomposition are the same in any rotated basis; this one makes those of today
    comparable with what was learned from those of an earlier fit.

    Args:
        begun: (n, d) factors of today.
        earlier: (n, d) rows for the same items.
    """
    rotated: Floats = orthogonal_procrustes(begun, earlier)[0].astype(np.float32)
    return rotated


def _require_same_features(reducers: Mapping[str, CrossFitted], dataset: Dataset) -> None:
    chosen = np.zeros(dataset.n_items, dtype=bool)
    chosen[dataset.train.items] = True
    widths = {
        name: table.features.shape[1]
        for name, table in dataset.tokens.items()
        if chosen[table.items].any()
    }
    of_fit = {name: len(one.whole.mean) for name, one in reducers.items()}
    if list(widths.items()) != list(of_fit.items()):
        changed = sorted(
            name for name in {*widths, *of_fit} if widths.get(name) != of_fit.get(name)
        )
        raise WarmStartError(
            "the items have other features than those that it was fitted to "
            f"({', '.join(changed) or 'in another order'})"
        )
