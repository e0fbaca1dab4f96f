"""The transformer: items read as tokens, users as sequences of items, candidates as queries.

score(u, i) = (W h_u + taste_u) · w_i + cross(u, i) + b_i

w_i is the code an encoder makes of the item's tokens (their CLS token, Devlin et al. 2019), h_u the
state of a causal decoder after the user's last event (Vaswani et al. 2017; SASRec, Kang and McAuley
2018), taste_u the mean content of the history, and cross(u, i) the decoder's cross-attention
between the history and the candidate (target attention: DIN, Zhou et al. 2018).

An item has two codes, [deep; wide] each: r_i where it is read in a history, and w_i where it is
wanted, since what follows an item is not what precedes it. The deep parts begin at the factors of
`models.transformer.transitions`, the wide part is linear in the content (Cheng et al. 2016), and
everything else begins at zero: training starts from what is known to work and keeps it where it
learns nothing better.
"""

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.content import Content
from models.fusion import FusionOperator, fusion_operator
from models.retrieval_loss import log_popularity
from models.transformer.config import TransformerConfig
from models.transformer.windows import Sequences
from models.warm_start import ItemNetwork

_SHARPEST = 8.0


@dataclass(frozen=True)
class Codes:
    """What the network makes of n items.

    Attributes:
        read: (n, e) as part of a history, e = dim + components.
        wanted: (n, e) as a candidate.
    """

    read: Tensor
    wanted: Tensor


class FeedForward(nn.Sequential):
    """W GELU(V LN x + a) + b, (…, d) → (…, d)."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, 2 * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * dim, dim),
            nn.Dropout(dropout),
        )


class SelfAttention(FusionOperator):
    """One encoder block over a CLS token and the tokens; CLS is the result.

    z = CLS + MHA(CLS, LN[CLS; x_1; …]); y = z + FFN(z). Nothing reads the rows of the other tokens,
    and they are not computed.
    """

    def __init__(self, n_modalities: int, config: TransformerConfig) -> None:
        dim = config.dim
        super().__init__(n_modalities, dim)
        self.heads = config.heads
        self.cls = nn.Parameter(torch.randn(dim) * dim**-0.5)
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.mix = nn.Linear(dim, dim)
        self.feed = FeedForward(dim, config.dropout)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Tokens (n, m, d), present (n, m) bool → (n, d)."""
        # A masked NaN or infinity would survive a weight of zero.
        tokens = tokens.masked_fill(~present.unsqueeze(-1), 0.0)
        cls = self.cls.to(tokens.dtype).expand(len(tokens), 1, -1)
        read = self.norm(torch.cat([cls, tokens], dim=1))  # n m+1 d
        seen = F.pad(present, (1, 0), value=True)[:, None, None]  # n 1 1 m+1
        key, value = (self._split(x) for x in self.key_value(read).chunk(2, dim=-1))
        query = self._split(self.query(read[:, :1]))
        mixed = F.scaled_dot_product_attention(query, key, value, seen)  # n h 1 d/h
        state = cls[:, 0] + self.mix(mixed.flatten(1))
        return cast(Tensor, state + self.feed(state))

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.heads, -1).transpose(1, 2)


class ItemEncoder(nn.Module):
    """[r; w] = W fuse(tokens) + b + e_id, each next to Σ_k β_k x_k.

    The tokens are the modalities, the item's id, and one that stands alone where an item has
    neither.
    """

    def __init__(self, n_modalities: int, n_items: int, config: TransformerConfig) -> None:
        super().__init__()
        dim, self.width = config.dim, config.components
        self.token = nn.ModuleList(
            nn.Sequential(nn.Linear(self.width, dim), nn.LayerNorm(dim))
            for _ in range(n_modalities)
        )
        self.id = nn.Embedding(n_items, 2 * dim)
        nn.init.normal_(self.id.weight, std=0.1 * dim**-0.5)
        self.id_token = nn.Sequential(nn.Linear(2 * dim, dim), nn.LayerNorm(dim))
        self.nothing = nn.Parameter(torch.zeros(dim))
        self.operator = (
            SelfAttention(n_modalities + 2, config)
            if config.operator == "self_attention"
            else fusion_operator(config.operator, n_modalities + 2, dim)
        )
        self.code = nn.Linear(dim, 2 * dim)
        _zero(self.code)
        self.blend = nn.Parameter(torch.ones(n_modalities))

    def forward(
        self, content: Content, items: Tensor, known: Tensor, shift: Tensor | None = None
    ) -> Codes:
        """Codes of n items.

        Args:
            content: of the n items.
            items: (n,) int64 dense indexes.
            known: (n,) bool, whether the item's id is read.
            shift: (n, 2 dim) added to the id embeddings.
        """
        ids = self.id(items) if shift is None else self.id(items) + shift
        fused = self.operator(*self._tokens(content, ids, known))  # n d
        read, wanted = (self.code(fused) + ids * known.unsqueeze(1)).chunk(2, dim=1)
        wide = content.blend(self.blend, self.width)
        return Codes(torch.cat([read, wide], dim=1), torch.cat([wanted, wide], dim=1))

    def auxiliary_loss(self, content: Content, items: Tensor, known: Tensor) -> Tensor:
        """What the operator itself wants made small, () for the same arguments as `forward`."""
        tokens = self._tokens(content, self.id(items), known)
        return self.operator.auxiliary_loss(*tokens)

    def _tokens(self, content: Content, ids: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (n, m + 2, d) and which are there (n, m + 2)."""
        tokens = [embed(x) for embed, x in zip(self.token, content.features, strict=True)]
        tokens += [self.id_token(ids), self.nothing.expand(len(ids), -1)]
        present = torch.cat([content.present, known.unsqueeze(1)], dim=1)  # n m+1
        present = torch.cat([present, ~present.any(dim=1, keepdim=True)], dim=1)  # n m+2
        return torch.stack(tokens, dim=1), present


class Recency(nn.Module):
    """Logits of attention by age, causal: -γ_h log(1 + t - j) - δ_h (t - j) with γ_h, δ_h ≥ 0.

    They are polynomial and exponential decay (ALiBi, Press et al. 2022, with learned slopes).
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.linspace(-4.0, 1.5, heads))
        # softplus(-1.7) = .17 is a decay of .85 an event, the best one of plain transitions.
        self.slope = nn.Parameter(torch.full((heads,), -1.7))

    def forward(self, positions: Tensor, length: int) -> Tensor:
        """Logits (…, h, t, length) of reading each place from `positions` (…, t) int64."""
        age = positions.unsqueeze(-1) - torch.arange(length, device=positions.device)
        age = age.unsqueeze(-3)  # … 1 t l
        past = age.clamp(min=0)
        logits = -past.log1p() * F.softplus(self.power)[:, None, None]
        logits = logits - past * F.softplus(self.slope)[:, None, None]
        return logits.masked_fill(age < 0, -torch.inf)


class DecoderBlock(nn.Module):
    """x + MHA(LN x) under a causal mask with recency, then x + FFN(x)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim, self.heads = config.dim, config.heads
        self.norm = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, 3 * dim)
        self.recency = Recency(self.heads)
        self.mix = nn.Linear(dim, dim)
        self.drop = nn.Dropout(config.dropout)
        self.feed = FeedForward(dim, config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """States (b, l, d) → (b, l, d); place l reads the places up to l."""
        length = x.shape[1]
        heads = self.project(self.norm(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # b h l d/h
        bias = self.recency(torch.arange(length, device=x.device), length)
        mixed = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))
        x = x + self.drop(self.mix(mixed.transpose(1, 2).flatten(2)))
        return cast(Tensor, x + self.feed(x))


class Decoder(nn.Module):
    """x_j = W r_j + gap_j + value_j v, x_0 the start; then the blocks; then LayerNorm."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.item = nn.Linear(dim + config.components, dim)
        self.gap = nn.Embedding(config.gap_buckets, dim)
        nn.init.normal_(self.gap.weight, std=0.02)
        self.value = nn.Parameter(torch.zeros(dim))
        self.start = nn.Parameter(torch.zeros(dim))
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, history: Tensor, sequences: Sequences) -> Tensor:
        """States (b, l, d) after each event; `history` (b, l, e) are the codes of their items."""
        x = self.item(history) + self.gap(sequences.gaps)
        x = x + sequences.values.unsqueeze(-1) * self.value
        x = self.drop(torch.where(sequences.present.unsqueeze(-1), x, self.start))
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.norm(x))


class CrossAttention(nn.Module):
    """cross(t, i) = Σ_j a_tij (V r_j · w_i), a_tij = softmax_j≤t(κ cos(Q w_i, K r_j) + g_tj).

    The candidate i asks the history with a query of its own. Its logit and the state's logit
    g_tj = (A h_t) · (B r_j) / √d + recency add up, so their exponentials are a product: with
    E_ji = exp(κ cos(…)), S_ji = V r_j · w_i and G_tj = softmax_j(g_tj),

        cross = G (E ⊙ S) / (G E),

    which is exact, takes matrix products only and never holds t × j × i numbers, so that every
    place of a sequence can be asked about every item. κ stays within 8, so that no sum vanishes.
    At the start of a sequence E = 1 and S = 0: a history may be of no use to a candidate.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        size, dim = config.dim + config.components, config.dim
        self.scale = dim**-0.5
        self.query = nn.Linear(size, dim, bias=False)
        self.key = nn.Linear(size, dim, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(0.5))
        self.ask = nn.Linear(dim, dim)
        _zero(self.ask)
        self.answer = nn.Linear(size, dim, bias=False)
        self.recency = Recency(1)
        self.value = nn.Linear(size, size, bias=False)
        with torch.no_grad():
            self.value.weight.zero_()
            self.value.weight[:dim, :dim] = torch.eye(dim)
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self,
        states: Tensor,
        positions: Tensor,
        history: Tensor,
        present: Tensor,
        candidates: Tensor,
    ) -> Tensor:
        """Scores (b, t, n).

        Args:
            states: (b, t, d) of the decoder at `positions`.
            positions: (b, t) int64 places in the sequences.
            history: (b, l, e) codes of the events' items.
            present: (b, l) bool; False at the start.
            candidates: (n, e) codes.
        """
        there = present.unsqueeze(-1)
        keys = F.normalize(self.key(history), dim=-1) * there
        queries = F.normalize(self.query(candidates), dim=-1)
        e = torch.exp(self.sharpness.clamp(0, _SHARPEST) * keys @ queries.T)  # b l n
        s = self.drop(self.value(history) * there) @ candidates.T  # b l n
        affinity = self.ask(states) @ self.answer(history).transpose(1, 2) * self.scale  # b t l
        g = torch.softmax(affinity + self.recency(positions, history.shape[1])[:, 0], dim=-1)
        scores: Tensor = (g @ (e * s)) / (g @ e)
        return scores


class Taste(nn.Module):
    """[0; γ ⊙ q_t], q_t the mean of the wide parts of what was read up to t, the recent ones more.

    Its memory is longer than the cross-attention's: what a user likes changes more slowly than
    what they do next.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.dim = config.dim
        self.recency = Recency(1)
        nn.init.constant_(self.recency.slope, -4.0)
        self.gain = nn.Parameter(torch.ones(config.components))

    def forward(self, positions: Tensor, history: Tensor, present: Tensor) -> Tensor:
        """(b, t, e) of positions (b, t), codes (b, l, e) and presence (b, l)."""
        logits = self.recency(positions, history.shape[1])[:, 0]  # b t l
        weights = torch.softmax(logits.masked_fill(~present.unsqueeze(1), -torch.inf), dim=-1)
        mean = torch.nan_to_num(weights) @ history[..., self.dim :]
        return F.pad(self.gain * mean, (self.dim, 0))


class TransformerNetwork(ItemNetwork):
    """Item encoder, decoder, cross-attention and the popularity of known items."""

    of_items = ("items.id.weight", "popularity")

    def __init__(self, n_modalities: int, n_items: int, config: TransformerConfig) -> None:
        super().__init__()
        self.items = ItemEncoder(n_modalities, n_items, config)
        self.decoder = Decoder(config)
        self.wish = nn.Linear(config.dim, config.dim + config.components)
        _zero(self.wish)
        self.cross = CrossAttention(config)
        self.taste = Taste(config)
        self.popularity = nn.Parameter(torch.zeros(n_items))

    @torch.no_grad()
    def start_from(self, counts: Tensor, ids: Tensor) -> None:
        """Lets training begin at the log of the items' events (n_items,) and at ids (n_items, 2d).

        The id embeddings keep their own small noise next to them.
        """
        self.popularity.copy_(log_popularity(counts))
        self.items.id.weight.add_(ids)

    def tables(self) -> list[Tensor]:
        """The weights that belong to one item each."""
        return [self.items.id.weight, self.popularity]

    def bias(self, items: Tensor, known: Tensor) -> Tensor:
        """Popularity (n,) of items whose id is known, zero for the others."""
        return self.popularity[items] * known

    def states(self, read: Tensor, sequences: Sequences) -> Tensor:
        """States (b, l, d) after each place; `sequences.places` are rows of `read` (k, e)."""
        return cast(Tensor, self.decoder(F.embedding(sequences.places, read), sequences))

    def logits(
        self,
        read: Tensor,
        sequences: Sequences,
        positions: Tensor,
        candidates: Tensor,
        bias: Tensor,
    ) -> Tensor:
        """Scores (b, t, n) of the candidates after what was done up to `positions`.

        Args:
            read: (k, e) codes; `sequences.places` are their rows.
            sequences: (b, l) what the users did.
            positions: (b, t) int64 places in the sequences.
            candidates: (n, e) codes.
            bias: (n,) of the candidates.
        """
        states = self.states(read, sequences)
        states = states.gather(1, positions.unsqueeze(-1).expand(-1, -1, states.shape[-1]))
        history = F.embedding(sequences.places, read)  # b l e
        cross = self.cross(states, positions, history, sequences.present, candidates)
        wish = self.wish(states) + self.taste(positions, history, sequences.present)
        return cast(Tensor, wish @ candidates.T + cross + bias)


def _zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
