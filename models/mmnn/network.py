"""The multimodal neural network: an item tower over tokens, a user tower over item codes.

Wide and deep (Cheng et al. 2016): a code is what the network makes of the tokens (deep), and beside
it the sum of what each modality foretells of behaviour (wide). The deep part begins at zero, so
that training starts from a linear model of the content and keeps it where it learns nothing better.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.content import Content
from models.fusion import fusion_operator
from models.mmnn.config import MMNNConfig


class ItemTower(nn.Module):
    """token_k = LayerNorm(W_k x_k); h = operator(tokens); h = h + σ(W h + b) …;
    code = [W h + b; Σ_k β_k x_k].

    A layer adds to what it reads (He et al. 2016), so that what is linear in the content stays so.

    The tokens are the modalities, the item's id, and one that stands alone where an item has
    neither.
    """

    def __init__(self, n_modalities: int, n_items: int, config: MMNNConfig) -> None:
        super().__init__()
        dim, width = config.dim, config.components
        self.width = width
        self.modality_dropout, self.id_dropout = config.modality_dropout, config.id_dropout
        self.token = nn.ModuleList(
            nn.Sequential(nn.Linear(width, dim), nn.LayerNorm(dim)) for _ in range(n_modalities)
        )
        self.id = nn.Embedding(n_items, dim)
        self.id_norm = nn.LayerNorm(dim)
        self.nothing = nn.Parameter(torch.zeros(dim))
        self.operator = fusion_operator(config.operator, n_modalities + 2, dim)
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Dropout(config.dropout))
            for _ in range(config.layers)
        )
        self.code = nn.Linear(dim, dim)
        self.blend = nn.Parameter(torch.ones(n_modalities))

    def forward(self, content: Content, items: Tensor, known: Tensor) -> Tensor:
        """Codes (n, dim + components) of items (n,) int64; `known` (n,) says id or no id."""
        return self.codes(content, *self.tokens(content, items, known))

    def tokens(self, content: Content, items: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (n, m + 2, dim) of items and which are present (n, m + 2), as `forward` does."""
        tokens = [embed(x) for embed, x in zip(self.token, content.features, strict=True)]
        tokens += [self.id_norm(self.id(items)), self.nothing.expand(len(items), -1)]
        present = torch.cat([content.present, known.unsqueeze(1)], dim=1)  # n (m+1)
        present = torch.cat([present, ~present.any(dim=1, keepdim=True)], dim=1)  # n (m+2)
        return torch.stack(tokens, dim=1), present

    def codes(self, content: Content, tokens: Tensor, present: Tensor) -> Tensor:
        """Codes (n, dim + components) of what `tokens` gave for the content."""
        h = self.operator(tokens, present)  # n d
        for layer in self.hidden:
            h = h + layer(h)
        return torch.cat([self.code(h), self._wide(content)], dim=1)

    def _wide(self, content: Content) -> Tensor:
        if not content.features:
            return torch.zeros(len(content.present), self.width, device=self.nothing.device)
        weights = self.blend * content.present  # n m
        return torch.einsum("nm,nmc->nc", weights, torch.stack(content.features, dim=1))

    def hide(self, content: Content, known: Tensor, behavioural: Tensor) -> tuple[Content, Tensor]:
        """Modality dropout and id dropout, drawn anew for every item of a step.

        What only users' behaviour tells (`behavioural`, (m,) bool) is hidden with the id: an item
        that nobody has touched has neither.
        """
        kept = torch.rand(content.present.shape, device=known.device) >= self.modality_dropout
        touched = torch.rand(known.shape, device=known.device) >= self.id_dropout
        kept &= touched.unsqueeze(1) | ~behavioural
        return Content(content.features, content.present & kept), known & touched


class UserTower(nn.Module):
    """u = [(W p + MLP(p)) / √d; γ ⊙ q], p and q the heads' means of the deep and the wide part of a
    history's codes c_j, newest first; q is their mean over heads.

    Head h weighs event j by softmax_j(a_h · c_j + β_h value_j − γ_h log(1 + j)), γ_h ≥ 0: recent
    events count for more, and each head learns by how much.
    """

    def __init__(self, config: MMNNConfig) -> None:
        super().__init__()
        dim, heads = config.dim, config.heads
        self.scale = dim**-0.5
        self.dim = dim
        self.attend = nn.Linear(dim + config.components, heads, bias=False)
        self.value = nn.Parameter(torch.zeros(heads))
        self.decay = nn.Parameter(torch.linspace(-3.0, 1.0, heads))
        self.newcomer = nn.Parameter(torch.zeros(heads * dim))
        self.drop = nn.Dropout(config.dropout)
        self.linear = nn.Linear(heads * dim, dim)
        self.mlp = nn.Sequential(
            nn.Linear(heads * dim, 2 * dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * dim, dim),
        )
        for last in (self.linear, self.mlp[-1]):
            nn.init.zeros_(cast(nn.Linear, last).weight)
            nn.init.zeros_(cast(nn.Linear, last).bias)
        self.gain = nn.Parameter(torch.ones(config.components))

    def weights(self, codes: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """Weights (b, l, h), zero where an event is absent, of codes (b, l, d), values (b, l)."""
        age = torch.arange(codes.shape[1], device=codes.device).log1p()
        logits = self.attend(codes) + values.unsqueeze(-1) * self.value  # b l h
        logits = logits - age[:, None] * F.softplus(self.decay)
        logits = logits.masked_fill(~present.unsqueeze(-1), -torch.inf)
        # A row without any event has only -inf; its weights are defined as zero.
        return torch.nan_to_num(torch.softmax(logits.float(), dim=1))

    def forward(self, codes: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """User vectors (b, d + c) of the last events' codes (b, l, d + c), values, mask (b, l)."""
        weights = self.weights(codes, values, present)
        return self.vector(torch.einsum("blh,bld->bhd", weights, codes), present.any(dim=1))

    def vector(self, means: Tensor, active: Tensor) -> Tensor:
        """User vectors (b, d + c) of heads' means (b, h, d + c); `active` (b,) has any history."""
        deep, wide = means[..., : self.dim].flatten(1), means[..., self.dim :].mean(dim=1)
        pooled = self.drop(torch.where(active.unsqueeze(-1), deep, self.newcomer))
        deep = self.scale * (self.linear(pooled) + self.mlp(pooled))
        return torch.cat([deep, self.gain * wide * active.unsqueeze(-1)], dim=1)


class MMNNNetwork(nn.Module):
    """Both towers with a retrieval head u · v_i + b_i and a rating head."""

    def __init__(self, n_modalities: int, n_items: int, n_context: int, config: MMNNConfig) -> None:
        super().__init__()
        self.items = ItemTower(n_modalities, n_items, config)
        self.users = UserTower(config)
        self.popularity = nn.Parameter(torch.zeros(n_items))
        self.rating = nn.Sequential(
            nn.Linear(2 * (config.dim + config.components) + n_context, config.dim),
            nn.GELU(),
            nn.Linear(config.dim, 1),
        )

    @torch.no_grad()
    def start_from(self, counts: Tensor) -> None:
        """Lets the popularity of items (n_items,) begin at the log of their events."""
        logs = counts.clamp(min=1).float().log()
        self.popularity.copy_(logs - logs[counts > 0].mean() if (counts > 0).any() else logs)

    def bias(self, items: Tensor, known: Tensor) -> Tensor:
        """Popularity (n,) of items whose id is known, zero for the others."""
        return self.popularity[items] * known

    def logits(self, users: Tensor, codes: Tensor, bias: Tensor) -> Tensor:
        """Retrieval scores (b, n) of user vectors (b, d), item codes (n, d) and biases (n,)."""
        scores: Tensor = users @ codes.T + bias
        return scores

    def stars(self, users: Tensor, codes: Tensor, context: Tensor) -> Tensor:
        """Standardised value (b,) of pairs of user and item (b, d) with context (b, c)."""
        return cast(Tensor, self.rating(torch.cat([users, codes, context], dim=1)).squeeze(1))
