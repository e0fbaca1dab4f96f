"""The multimodal neural network: an item tower over tokens, a user tower over item codes, heads.

Wide and deep (Cheng et al. 2016): a code is what the network makes of the tokens (deep), and in
addition what each modality predicts of behaviour (wide). The deep part begins at zero, so that
training starts from a linear model of the content and keeps it where it learns nothing better.
"""

from typing import cast

import torch
from torch import Tensor, nn

from models.content import Content
from models.mmnn.config import MMNNConfig
from models.mmnn.fusion_levels import FUSION_LEVELS
from models.mmnn.heads import ClickHead, PairHead, RatingHead
from models.retrieval_loss import log_popularity
from models.warm_start import ItemNetwork


class MissingHeadError(RuntimeError):
    """A network was asked for a task it has no head for."""

    def __init__(self, task: str) -> None:
        super().__init__(f"This MMNN has no {task} head; fit it with {task!r} among its tasks.")


class MMNNNetwork(ItemNetwork):
    """Both towers with a retrieval head s(u, i) + b_i, and a head for each other task."""

    of_items = ("items.id.weight", "popularity")

    def __init__(self, n_modalities: int, n_items: int, n_context: int, config: MMNNConfig) -> None:
        super().__init__()
        parts = FUSION_LEVELS[config.fusion_level](n_modalities, n_items, config)
        self.items, self.users, self.retrieval = parts.items, parts.users, parts.retrieval
        self.popularity = nn.Parameter(torch.zeros(n_items))
        self.heads = nn.ModuleDict()
        if "rating" in config.tasks:
            self.heads["rating"] = parts.head(lambda: RatingHead(n_context, config))
        if "click" in config.tasks:
            self.heads["click"] = parts.head(lambda: ClickHead(config))

    @torch.no_grad()
    def start_from(self, counts: Tensor) -> None:
        """Lets the popularity of items (n_items,) begin at the log of their events."""
        self.popularity.copy_(log_popularity(counts))

    def codes(self, content: Content, known: Tensor) -> Tensor:
        """Codes (n_items, d) of all items; `known` (n_items,) bool says whose id is read."""
        codes: Tensor = self.items(content, torch.arange(len(known), device=known.device), known)
        return codes

    def bias(self, items: Tensor, known: Tensor) -> Tensor:
        """Popularity (n,) of items whose id is known, zero for the others."""
        return self.popularity[items] * known

    def logits(self, users: Tensor, codes: Tensor, bias: Tensor) -> Tensor:
        """Retrieval scores (b, n) of user vectors (b, e), item codes (n, d) and biases (n,)."""
        return self.products(users, self.retrieval.candidates(codes), bias)

    @staticmethod
    def products(users: Tensor, candidates: Tensor, bias: Tensor) -> Tensor:
        """Retrieval scores (b, n) of user vectors (b, e), candidates (n, e) and biases (n,)."""
        return users @ candidates.T + bias

    def stars(self, users: Tensor, codes: Tensor, context: Tensor) -> Tensor:
        """Standardised values (…) of pairs of user (…, e) and item (…, d) with context (…, c).

        Raises:
            MissingHeadError: rating is not among the tasks.
        """
        return cast(Tensor, self.head("rating")(users, codes, context))

    def clicks(self, users: Tensor, codes: Tensor) -> Tensor:
        """Logits (…) that a user (…, e) chooses an item (…, d).

        Raises:
            MissingHeadError: click is not among the tasks.
        """
        nothing = users.new_zeros(*users.shape[:-1], 0)
        return cast(Tensor, self.head("click")(users, codes, nothing))

    def head(self, task: str) -> PairHead:
        """The head of a task other than retrieval.

        Raises:
            MissingHeadError: it is not among the tasks.
        """
        if task not in self.heads:
            raise MissingHeadError(task)
        return cast(PairHead, self.heads[task])
