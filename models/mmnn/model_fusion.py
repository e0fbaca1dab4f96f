"""Model fusion: a tower and heads per modality, and a learned weight for the score of each.

Late fusion (Snoek et al. 2005). A modality here is a place of `ItemTower.tokens`: also the id, and
what stands for an item without anything. A flat code is [c_1; …; c_p; present_1 … present_p].
"""

from collections.abc import Callable, Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.content import Content
from models.fusion.masking import present_softmax, zero_absent
from models.fusion.places import PlaceLinear
from models.mmnn.config import MMNNConfig
from models.mmnn.heads import PairHead, RetrievalHead
from models.mmnn.item_tower import ItemTower
from models.mmnn.user_tower import PooledUserTower, UserTower


def by_modality(codes: Tensor, places: int) -> tuple[Tensor, Tensor]:
    """Codes (…, p, e) per modality and which are present (…, p), of flat codes (…, p e + p)."""
    flat, present = torch.split(codes, [codes.shape[-1] - places, places], dim=-1)
    return _split(flat, places), present > 0.5


class ModalityItemTowers(ItemTower):
    """h_k = token_k; h_k = h_k + σ(W_k h_k + b_k) …; c_k = [W_k h_k + b_k; β_k x_k]."""

    def __init__(self, n_modalities: int, n_items: int, config: MMNNConfig) -> None:
        super().__init__(n_modalities, n_items, config)
        dim, places = config.dim, n_modalities + 2
        self.hidden = nn.ModuleList(
            nn.Sequential(PlaceLinear(places, dim, dim), nn.GELU(), nn.Dropout(config.dropout))
            for _ in range(config.layers)
        )
        self.code = PlaceLinear(places, dim, dim)

    def codes(self, content: Content, tokens: Tensor, present: Tensor) -> Tensor:
        """Flat codes (n, p (dim + components) + p) of the tokens of the content."""
        h = zero_absent(tokens, present)  # n p d
        for layer in self.hidden:
            h = h + layer(h)
        stacked = torch.cat([self.code(h), self._wide(content, present)], dim=2)
        stacked = zero_absent(stacked, present)
        return torch.cat([stacked.flatten(1), present.to(stacked.dtype)], dim=1)

    def _wide(self, content: Content, present: Tensor) -> Tensor:
        if not content.features:
            return torch.zeros(*present.shape, self.width, device=present.device)
        features = torch.stack(content.features, dim=1)  # n m c
        return F.pad(self.blend[:, None] * features, (0, 0, 0, 2))


class ModalityUserTowers(UserTower):
    """[u_1; …; u_p], u_k of the events on items that have modality k, read by their c_k alone."""

    def __init__(self, places: int, config: MMNNConfig) -> None:
        super().__init__()
        self.places = places
        self.towers = nn.ModuleList(PooledUserTower(config) for _ in range(places))

    def forward(self, codes: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """See `UserTower`; codes are flat."""
        read = self._read(codes, present)
        return torch.cat(
            [tower(modality_codes, values, has) for tower, modality_codes, has in read], dim=-1
        )

    def whole_and_without_each(self, codes: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """See `UserTower`; codes are flat."""
        read = self._read(codes, present)
        return torch.cat(
            [
                tower.whole_and_without_each(modality_codes, values, has)
                for tower, modality_codes, has in read
            ],
            dim=-1,
        )

    def _read(self, codes: Tensor, present: Tensor) -> Iterator[tuple[UserTower, Tensor, Tensor]]:
        """Each modality's tower, codes (b, l, e), and which events it reads (b, l)."""
        split_codes, has = by_modality(codes, self.places)
        has = has & present.unsqueeze(-1)
        # One backward pass for all slices; one per slice would fill a table of zeros each time.
        for tower, mine, there in zip(
            self.towers, split_codes.unbind(-2), has.unbind(-1), strict=True
        ):
            yield cast(UserTower, tower), mine, there


class ScoreFusion(nn.Module):
    """s = Σ_k a_k s_k, a = softmax of the learned w_k over the modalities an item has."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(places))

    def weights(self, present: Tensor) -> Tensor:
        """a (…, p) of present (…, p) bool with at least one True a row."""
        flat = present.flatten(0, -2)
        return present_softmax(self.logits.expand(flat.shape), flat).reshape(present.shape)

    def forward(self, scores: Tensor, present: Tensor) -> Tensor:
        """Fuses scores (…, p) → (…); an absent one counts for nothing, whatever it is."""
        return (self.weights(present) * scores.masked_fill(~present, 0.0)).sum(dim=-1)


class ModalityDotProducts(RetrievalHead):
    """s(u, i) = Σ_k a_ik u_k · c_ik = [u_1; …; u_p] · [a_i1 c_i1; …; a_ip c_ip]."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places
        self.fusion = ScoreFusion(places)

    def candidates(self, codes: Tensor) -> Tensor:
        """Flat codes (…, p e + p), each modality times its weight (…, p e)."""
        split_codes, present = by_modality(codes, self.places)
        return (self.fusion.weights(present).unsqueeze(-1) * split_codes).flatten(-2)


class ModalityHeads(PairHead):
    """s(u, i) = Σ_k a_ik head_k(u_k, c_ik, context)."""

    def __init__(self, places: int, build: Callable[[], PairHead]) -> None:
        super().__init__()
        self.places = places
        self.heads = nn.ModuleList(build() for _ in range(places))
        self.fusion = ScoreFusion(places)

    def forward(self, users: Tensor, codes: Tensor, context: Tensor) -> Tensor:
        """See `PairHead`; codes are flat."""
        split_codes, present = by_modality(codes, self.places)
        pairs = zip(_split(users, self.places).unbind(-2), split_codes.unbind(-2), strict=True)
        scores = [head(*pair, context) for head, pair in zip(self.heads, pairs, strict=True)]
        fused: Tensor = self.fusion(torch.stack(scores, dim=-1), present)
        return fused


def _split(flat: Tensor, places: int) -> Tensor:
    """(…, p e) → (…, p, e)."""
    return flat.reshape(*flat.shape[:-1], places, flat.shape[-1] // places)
