"""Graph attention: item vectors from the graph, user vectors from a history.

GATv2 (Brody, Alon and Yahav 2022): node i reads its neighbours j with the weights

    α_ij = softmax_j(aᵀ LeakyReLU(W_l x_j + W_r x_i + W_e e_ij)),    x'_i = Σ_j α_ij W_l x_j

where e_ij are the attributes of the edge. Which neighbour counts depends on who reads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv

from models.content import Content
from models.gat.config import GATConfig
from models.gat.graph import Neighbourhood, edge_width
from models.gat.tokens import token_fusion
from models.retrieval_loss import log_popularity
from models.warm_start import ItemNetwork

_HISTORY_NUMBERS = 2
_FIRST_GAIN = 0.02
_FIRST_DECAYS = (0.2, 1.5)


class ItemEncoder(nn.Module):
    """x_i fuses its tokens for an item, and is the mean of their items for a user; then in each
    round x = x + σ(GATv2(x)); the vector is [W x; b_i].

    Wide and deep (Cheng et al. 2016): b_i are factors of behaviour, learned for an item with an id,
    and Σ_k β_k x_ik, what its content predicts of them, for one without.
    """

    def __init__(self, n_modalities: int, n_items: int, config: GATConfig) -> None:
        super().__init__()
        dim = config.dim
        self.width = config.components
        self.fuse = token_fusion(n_modalities, n_items, config)
        self.norm = nn.LayerNorm(dim)
        self.rounds = nn.ModuleList(
            GATv2Conv(
                (dim, dim),
                dim // config.heads,
                heads=config.heads,
                edge_dim=edge_width(n_modalities),
                add_self_loops=False,
            )
            for _ in range(config.layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(config.layers))
        self.drop = nn.Dropout(config.dropout)
        self.vector = nn.Linear(dim, dim)
        self.blend = nn.Parameter(torch.ones(n_modalities))
        self.behaviour = nn.Parameter(torch.zeros(n_items, config.components))

    def forward(self, near: Neighbourhood, content: Content, known: Tensor) -> Tensor:
        """Vectors (n, dim + components) of the n items for which the neighbourhood was drawn.

        Args:
            near: the drawn neighbourhood.
            content: of the items `near.items`.
            known: (i,) which of those may use their id.
        """
        fused = self.norm(self.fuse(content, near.items, known))
        x = self._sources(near, fused)
        for attend, norm, block in zip(self.rounds, self.norms, near.blocks, strict=True):
            targets = x[: block.n_targets]
            read = attend((x, targets), block.index, block.attributes)
            x = targets + norm(self.drop(F.gelu(read)))
        places = near.item_places[: len(x)]
        here = known[places].unsqueeze(1)
        predicted = content.take(places).blend(self.blend, self.width)
        wide = torch.where(here, self.behaviour[near.items[places]], predicted)
        return torch.cat([self.vector(x), wide], dim=1)

    def _sources(self, near: Neighbourhood, fused: Tensor) -> Tensor:
        """Features (s, dim) of the nodes that the first round reads."""
        x = fused.new_zeros(len(near.is_item), fused.shape[1])
        x[near.is_item] = fused[near.item_places]
        chosen, reader = near.choices
        n_users = int((~near.is_item).sum())
        sums = fused.new_zeros(n_users, fused.shape[1]).index_add(0, reader, fused[chosen])
        counts = fused.new_zeros(n_users).index_add(0, reader, fused.new_ones(len(reader)))
        x[~near.is_item] = sums / counts.clamp(min=1).unsqueeze(1)
        return x


class UserEncoder(nn.Module):
    """A user reads the vectors of their last events by GATv2, each event's edge given its recency
    and value; the reader's own feature is the mean of what it reads.

    u = [W p / √w; γ ⊙ q], p what the heads read, q the wide parts' mean by the heads' weights.
    """

    def __init__(self, config: GATConfig) -> None:
        super().__init__()
        self.width = config.dim + config.components
        self.heads = config.user_heads
        self.attend = GATv2Conv(
            (self.width, self.width),
            config.dim,
            heads=config.user_heads,
            edge_dim=_HISTORY_NUMBERS,
            add_self_loops=False,
            dropout=config.attention_dropout,
        )
        self.drop = nn.Dropout(config.dropout)
        self.dim = config.dim
        self.vector = nn.Linear(config.user_heads * config.dim, config.dim)
        # The deep part begins at zero: training starts from the linear model and adds to it.
        nn.init.zeros_(self.vector.weight)
        nn.init.zeros_(self.vector.bias)
        self.scale = self.width**-0.5
        self.gain = nn.Parameter(torch.full((config.components,), _FIRST_GAIN))
        self._start_decays()

    @torch.no_grad()
    def _start_decays(self) -> None:
        """Lets head h begin near the weights (1 + age)^-γ_h, γ from lasting to quickly forgetting.

        With W_e = -s sign(a), the LeakyReLU of slope λ turns an edge's number t into -s λ |a| t
        where a > 0 and -s |a| t elsewhere.
        """
        conv = self.attend
        slopes = torch.where(conv.att > 0, conv.negative_slope, 1.0) * conv.att.abs()  # 1 h d
        decays = torch.linspace(*_FIRST_DECAYS, self.heads).view(1, -1, 1)
        weights = -conv.att.sign() * decays / slopes.sum(dim=-1, keepdim=True)
        conv.lin_edge.weight[:, 0] = weights.flatten()

    def forward(self, vectors: Tensor, places: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """User vectors (b, w) of their last events, newest first.

        Args:
            vectors: (n, w) item vectors.
            places: (b, l) int64 where the events' items are in `vectors`.
            values: (b, l) standardised values.
            present: (b, l) False where there is no event.
        """
        read, user, weights = self.read(vectors, places, values, present)
        deep = self.scale * self.vector(self.drop(read))
        wide = vectors[places[present], self.dim :] * weights.mean(dim=1, keepdim=True)
        wide = wide.new_zeros(len(present), wide.shape[1]).index_add(0, user, wide)
        return torch.cat([deep, self.gain * wide], dim=1)

    def read(
        self, vectors: Tensor, places: Tensor, values: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What each user reads (b, h d), the edges' users (e,), and their weights (e, h)."""
        user, age = present.nonzero(as_tuple=True)
        item = places[user, age]
        sums = vectors.new_zeros(len(present), self.width).index_add(0, user, vectors[item])
        means = sums / present.sum(dim=1, keepdim=True).clamp(min=1)
        attributes = torch.stack([age.to(vectors).log1p(), values[user, age]], dim=1)
        read, (_, weights) = self.attend(
            (vectors, means), torch.stack([item, user]), attributes, return_attention_weights=True
        )
        return read, user, weights


class GATNetwork(ItemNetwork):
    """Both encoders, and the score u · v_i + b_i."""

    of_items = ("items.fuse.id.weight", "items.behaviour", "popularity")

    def __init__(self, n_modalities: int, n_items: int, config: GATConfig) -> None:
        super().__init__()
        self.items = ItemEncoder(n_modalities, n_items, config)
        self.users = UserEncoder(config)
        self.popularity = nn.Parameter(torch.zeros(n_items))

    @torch.no_grad()
    def start_from(self, counts: Tensor, factors: Tensor) -> None:
        """Lets training begin at a linear model: popularity at the log of the items' events
        (n_items,), behaviour at the factors (n_items, c) of who chose what.
        """
        self.items.behaviour.copy_(factors)
        self.popularity.copy_(log_popularity(counts))

    def bias(self, items: Tensor, known: Tensor) -> Tensor:
        """Popularity (n,) of items whose id is known, zero for the others."""
        return self.popularity[items] * known
