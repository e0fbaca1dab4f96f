"""One fit: neighbourhoods drawn around each step's items, and the loss of what came next.

A training edge that is also the answer would let a model read it off the graph. So in a step the
graph has, of the users the step trains on, only the events strictly before the instant from which
they must foresee: neither the wanted items nor anything later ties such a user to an item. The
events of other users stay, as in every method that learns from all of them. So do the ids and the
factors that training starts from: like those of any matrix factorisation, they come from all
training events, the wanted ones among them.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from models.averaged_training import AveragedTraining, Batch
from models.content import Content
from models.content_periods import ContentPeriods
from models.data import Bools, Dataset, Floats, Longs
from models.distinct import distinct
from models.gat.config import GATConfig
from models.gat.graph import Fanout, Graph, View
from models.gat.network import GATNetwork
from models.next_choices import NextChoices
from models.reducers import CrossFitted, behaviour_factors, choices_by_item
from models.retrieval_loss import softmax_loss, without_past
from models.sequences import Events, Rows, Scale
from models.training import torch_generator
from models.warm_start import EarlierFit, rotation


class Trainer:
    """Runs the epochs of one network over one dataset and its graph."""

    def __init__(
        self,
        network: GATNetwork,
        dataset: Dataset,
        graph: Graph,
        reducers: dict[str, CrossFitted],
        scale: Scale,
        config: GATConfig,
        device: torch.device,
        earlier: EarlierFit | None = None,
    ) -> None:
        self.network, self.graph, self.config, self.device = network, graph, config, device
        self.choices = NextChoices(dataset, scale, config)
        factors = _factors(dataset, config.components)
        if earlier is not None:
            # An item that is new to it begins among the factors that were learned.
            learned = earlier.table("items.behaviour")
            factors = factors @ rotation(factors[earlier.learned], learned)
        network.start_from(
            torch.from_numpy(self.choices.counts).to(device), torch.from_numpy(factors).to(device)
        )
        if earlier is not None:
            earlier.resume(network)
        # Drawn from on the CPU; only what a step reads goes to the device.
        self.periods = ContentPeriods.of(dataset, reducers, config.periods, torch.device("cpu"))
        self.fanouts = (
            Fanout(config.sampled_users, config.sampled_neighbours, config.sampled_choices),
        ) * config.layers
        self.generator = torch_generator(config.seed)
        self.rng = np.random.default_rng(config.seed)
        decayed = {"params": list(network.parameters()), "weight_decay": config.weight_decay}
        self.training = AveragedTraining(network, [decayed], config, device)

    def epoch(self) -> float:
        """One pass over a draw of the training events; returns the mean loss."""
        batches = self.choices.batches(self.periods.of_events, self.generator)
        return self.training.take_steps(
            [Batch(partial(self._loss, period, rows), len(rows)) for period, rows in batches]
        )

    def _loss(self, period: int, rows: Rows) -> Tensor:
        """Mean negative log likelihood of what came next, plus the fusion's auxiliary loss."""
        choice = self.choices.read(rows, self.generator)
        past, candidates, needed = choice.past, choice.candidates, choice.needed
        view = self._view(period, rows)
        vectors = self._vectors(needed, period, view)
        users = self._users(vectors, needed, past)
        ranked = candidates.items.to(self.device)
        columns = torch.searchsorted(needed, candidates.items).to(self.device)
        known = torch.from_numpy(view.known)[candidates.items].to(self.device)
        logits = users @ vectors[columns].T + self.network.bias(ranked, known)
        logits = without_past(logits, ranked, past.to(self.device))
        wanted = choice.wanted.to(self.device)
        hits = torch.searchsorted(ranked, wanted.items).masked_fill(~wanted.present, 0)
        loss = softmax_loss(logits, hits, wanted.present, candidates.log_inclusion.to(self.device))
        return loss + self.config.auxiliary_weight * self._auxiliary_loss(needed, period, view)

    def _auxiliary_loss(self, items: Tensor, period: int, view: View) -> Tensor:
        content = shown(self.periods.contents[period], view.kept).take(items)
        known = torch.from_numpy(view.known)[items]
        loss: Tensor = self.network.items.fuse.auxiliary_loss(
            content.to(self.device), items.to(self.device), known.to(self.device)
        )
        return loss

    def _vectors(self, items: Tensor, period: int, view: View) -> Tensor:
        near = self.graph.neighbourhood(items.numpy(), self.fanouts, view, self.rng)
        content = shown(self.periods.contents[period], view.kept).take(near.items)
        known = torch.from_numpy(view.known)[near.items]
        vectors: Tensor = self.network.items(
            near.to(self.device), content.to(self.device), known.to(self.device)
        )
        return vectors

    def _users(self, vectors: Tensor, needed: Tensor, past: Events) -> Tensor:
        places = torch.searchsorted(needed, torch.where(past.present, past.items, needed[0]))
        past = past.to(self.device)
        users: Tensor = self.network.users(
            vectors, places.to(self.device), past.values, past.present
        )
        return users

    def _view(self, period: int, rows: Rows) -> View:
        """What the step may see, with ids and modalities hidden at random.

        What only behaviour tells (an item's users, its reviews) is hidden along with the id, since
        an untouched item has none of it.
        """
        until = self.choices.earliest_stops(rows, self.graph.n_users)
        shape = (self.graph.n_items, len(self.periods.behavioural))
        known = self.rng.random(shape[0]) >= self.config.id_dropout
        visible = self.rng.random(shape) >= self.config.modality_dropout
        visible &= known[:, None] | ~self.periods.behavioural
        return View(until, int(self.periods.begins[period]), known, visible)


def shown(content: Content, visible: Bools) -> Content:
    """The content without the tokens where `visible` (n, m) is False."""
    return Content(content.features, content.present & torch.from_numpy(visible))


def _factors(dataset: Dataset, n_components: int) -> Floats:
    """Leading singular vectors (n_items, c) of who chose what, times their singular values.

    Over the items with events the mean square is 1, as that of what content predicts of them.
    """
    factors = behaviour_factors(choices_by_item(dataset.train, dataset.n_items), n_components)
    seen = max(1, len(distinct(dataset.train.items)))
    scale = np.sqrt((factors**2).sum() / (seen * n_components))
    return np.asarray(factors / max(scale, 1e-12), dtype=np.float32)


@torch.no_grad()
def all_vectors(
    network: GATNetwork,
    graph: Graph,
    content: Content,
    known: Bools,
    config: GATConfig,
    *,
    block: int = 2048,
) -> Tensor:
    """Vectors (n_items, w) of all items, a block at a time, each from a wide neighbourhood.

    The draw is seeded: the same weights and graph give the same vectors.
    """
    device = network.popularity.device
    draws = np.random.default_rng(config.seed)
    fanout = Fanout(
        config.sampled_users * config.widening,
        config.sampled_neighbours * config.widening,
        config.sampled_choices * config.widening,
    )
    view = graph.whole(known)
    parts = []
    for items in _blocks(graph.n_items, block):
        near = graph.neighbourhood(items, (fanout,) * config.layers, view, draws)
        usable = torch.from_numpy(known)[near.items].to(device)
        parts.append(network.items(near.to(device), content.take(near.items).to(device), usable))
    return torch.cat(parts) if parts else torch.zeros(0, network.users.width, device=device)


def _blocks(n: int, size: int) -> list[Longs]:
    return [np.arange(start, min(start + size, n)) for start in range(0, n, size)]
