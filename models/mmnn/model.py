"""The MMNN as a recommender and as a predictor of ratings and clicks."""

from collections.abc import Callable, Mapping
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.content import Content, content_at
from models.data import Dataset, Floats, Histories, Ints, TokenTable
from models.explanation import Explanation
from models.mmnn.clicks import predict_clicks
from models.mmnn.config import MMNNConfig, TaskName
from models.mmnn.explanation import ablated_codes, explain, explain_read, read
from models.mmnn.fitting import Trainer
from models.mmnn.network import MMNNNetwork
from models.mmnn.ratings import RatingState, fit_ratings, predict_ratings
from models.mmnn.state import put_together, taken_apart
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state
from models.protocol import Ranking
from models.ranking import rank, tie_breaks
from models.reducers import CrossFitted, fit_reducers
from models.sequences import Scale, recent_of
from models.training import Epoch, TrainingCurve, one_thread, refit_length, seeded
from models.validation import network_judge

_USERS_AT_ONCE = 1024


class MMNN:
    """Multimodal neural network: fused item tokens, users as what they did last.

    Attributes:
        config: the settings.
        curve: training loss and validation loss (1 - NDCG@10) an epoch; None before a fit.
        trained_epochs: whose weights were kept, and how long a refit trains; None before a fit.
        modalities: names of the m modalities the model reads, in order.
        codes: (n_items, d) what the model makes of each item.
        candidates: (n_items, e) the same as what a user's vector is multiplied with.
        ablate: makes `ablated` the first time it is called.
        bias: (n_items,) popularity; zero for items without training events.
        known: (n_items,) which items have training events, and so an id that says something.
        task_weights: what the loss of each task was multiplied by at the end of the fit.
        ratings: what a predicted value needs beside the network; None without the task rating.
        reducers: what reads each modality's own features, by its name.
        scale: mean and deviation of the training values.
        n_context: statistics of an event that the rating head reads.
    """

    name = "mmnn"

    def __init__(
        self,
        config: MMNNConfig | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.config = config or MMNNConfig()
        self.device = torch.device(device)
        self.curve: TrainingCurve | None = None
        self.trained_epochs: int | None = None
        self._on_epoch = on_epoch
        self._network: MMNNNetwork | None = None
        self.reducers: dict[str, CrossFitted] = {}
        self.scale = Scale(0.0, 1.0)
        self.n_context = 0
        self.known = torch.zeros(0, dtype=torch.bool)
        self.ties = np.zeros(0, dtype=np.int32)
        self.task_weights: dict[TaskName, float] = {}
        self.ratings: RatingState | None = None
        self.ablate: Callable[[], Tensor]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of every array over them."""
        return tuple(self.reducers)

    @property
    def network(self) -> MMNNNetwork:
        """The fitted network.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._network is None:
            raise NotFittedError("This MMNN has no weights yet; call fit or load first.")
        return self._network

    @property
    def ablated(self) -> Tensor:
        """Codes (m + 1, n_items, d) without each modality, and last without an id.

        Only explanations and `save` need them.
        """
        return self.ablate()

    def fit(self, dataset: Dataset) -> Self:
        """Learns from the training events, and stops by the validation events.

        Without validation events the training loss takes their place: nothing else says which epoch
        is best.
        """
        return self._learn(dataset, None)

    def refitted(self, dataset: Dataset) -> Self:
        """See `models.protocol.Refittable`."""
        length = refit_length(self.name, self.trained_epochs)
        other = type(self)(self.config, str(self.device), self._on_epoch)
        return other._learn(dataset, length)

    def _learn(self, dataset: Dataset, length: int | None) -> Self:
        """Learns from the training events for as many epochs as `length` or validation says."""
        seen = np.zeros(dataset.n_items, dtype=bool)
        seen[dataset.train.items] = True
        self.known = torch.from_numpy(seen).to(self.device)
        self.reducers = fit_reducers(
            dataset.tokens, dataset.train, self.config.components, self.config.seed
        )
        self.scale = Scale.of(dataset.train.values)
        self.n_context = dataset.context.shape[1]
        self.ties = tie_breaks(dataset.item_ids.ids, self.config.seed)
        content = self._content(dataset.tokens)
        with seeded(self.config.seed), one_thread():
            network = self.build(dataset.n_items)
            trainer = Trainer(network, dataset, self.reducers, self.scale, self.config, self.device)
            self._network = trainer.training.averaged
            encode = partial(self._encode, content)
            judge = network_judge(dataset, self, self.config.seed, encode)
            self.curve = trainer.training.run(
                trainer.epoch,
                judge,
                n_events=len(dataset.train),
                on_epoch=self._on_epoch,
                length=length,
            )
            self.trained_epochs = self.curve.best_epoch
            self.task_weights = trainer.weights.factors()
            self._read(content)
            if "rating" in self.config.tasks:
                self.ratings = fit_ratings(self, dataset)
        return self

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """The same weights over other tokens of the same items; nothing is fitted again.

        Items of the training are read by the regressions that have not seen them, as in the fit, so
        that the tokens of the fit give the model again. What `tokens` lacks is absent.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        other = copy(self)
        other._read(self._content(tokens))
        return other

    @torch.no_grad()
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""
        chosen = None if items is None else torch.from_numpy(items.astype(np.int64))
        # A block of nobody says how many columns there are where there is no user.
        blocks = [
            self.logits(self.user_vectors(block), chosen).float().cpu().numpy()
            for block in _blocks(users) or [users]
        ]
        return np.concatenate(blocks)

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items a user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.ties, exclude=exclude)

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """What moved the scores of items (n_users, k): modalities, behaviour, past events.

        A part's share is of what the item's score loses where the part is hidden: a modality, or
        the item's id with its popularity, as of an item that nobody has touched.

        An item of -1 has no reason: zero shares, past items of -1.
        """
        return explain(self, users, items)

    @torch.no_grad()
    def score_to_explain(self, users: Histories) -> tuple[Floats, Callable[[Ints], Explanation]]:
        """Scores (n_users, n_items), and `explain` for the same users, who are read only once."""
        reading = read(self, users)
        scores = self.logits(reading.vectors, None)
        return scores.float().cpu().numpy(), partial(explain_read, self, reading)

    def predict_ratings(self, users: Ints, items: Ints) -> Floats:
        """Values (n,) of pairs of dense indexes, within the range of the training values.

        A user is what they did in training; -1 is an unknown user or item.

        Raises:
            MissingHeadError: rating is not among the tasks.
        """
        return predict_ratings(self, users, items)

    def predict_clicks(self, users: Histories, items: Ints) -> Floats:
        """Chances (n_users, k) that users choose items (n_users, k) rather than others drawn.

        An item of -1 has the chance 0. A chance is one against the draw of the training, in which
        every chosen item meets `click_negatives` others; ranked by it, the draw does not matter.

        Raises:
            MissingHeadError: click is not among the tasks.
        """
        return predict_clicks(self, users, items)

    @torch.no_grad()
    def encode_items(self, tokens: Mapping[str, TokenTable]) -> Floats:
        """Codes (n, e) of n new items from their content alone; `u · code` is their score."""
        n_items = max((table.n_items for table in tokens.values()), default=0)
        codes = self.network.retrieval.candidates(self.new_codes(tokens, n_items))
        return codes.cpu().numpy()

    @torch.no_grad()
    def new_codes(self, tokens: Mapping[str, TokenTable], n_items: int) -> Tensor:
        """Codes (n_items, d) of items without an id, as `codes` holds those of the fit."""
        whole = {name: reducer.whole for name, reducer in self.reducers.items()}
        content = content_at(tokens, whole, n_items).to(self.device)
        unknown = torch.zeros(n_items, dtype=torch.bool, device=self.device)
        nobody = torch.zeros(n_items, dtype=torch.int64, device=self.device)
        codes: Tensor = self.network.items(content, nobody, unknown)
        return codes

    @torch.no_grad()
    def user_vectors(self, users: Histories) -> Tensor:
        """Vectors (n_users, e) of users by what they did last."""
        past = recent_of(users, self.scale, self.config.history).to(self.device)
        network = self.network
        codes = self.codes_of(past.items)
        vectors: Tensor = network.users(codes, past.values, past.present)
        return vectors

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> "MMNN":
        """The same weights over further and changed items; see `models.protocol.Extendable`."""
        from models.mmnn.extension import ExtendedMMNN

        return ExtendedMMNN(self, tokens, places)

    def codes_of(self, items: Tensor) -> Tensor:
        """Codes (…, d) of dense items (…)."""
        return self.codes[items]

    def candidates_of(self, items: Tensor) -> Tensor:
        """What user vectors are multiplied with (…, e), of dense items (…)."""
        return self.candidates[items]

    def bias_of(self, items: Tensor) -> Tensor:
        """Popularity (…) of dense items (…)."""
        return self.bias[items]

    def ablated_of(self, items: Tensor) -> Tensor:
        """Codes (m + 1, …, d) of dense items (…) without each modality, and without an id."""
        return self.ablated[:, items]

    def logits(self, vectors: Tensor, items: Tensor | None) -> Tensor:
        """Scores (n_users, k) of user vectors (n_users, e) and items (k,), all where None."""
        if items is None:
            return self.network.products(vectors, self.candidates, self.bias)
        return self.network.products(vectors, self.candidates_of(items), self.bias_of(items))

    def save(self, folder: Path) -> None:
        """Writes weights, codes and settings into an existing folder."""
        arrays, described = taken_apart(self)
        save_state(folder, arrays, described, family=self.name)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold an MMNN, or only part of one.
        """
        arrays, described = load_state(folder, family=cls.name)
        try:
            model = cls(MMNNConfig.model_validate(described["settings"]), device)
            put_together(model, arrays, described, folder)
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole MMNN ({error}); fit the model again."
            ) from error
        return model

    def build(self, n_items: int) -> MMNNNetwork:
        """A network without training, which is the model's from now on."""
        self._network = MMNNNetwork(len(self.reducers), n_items, self.n_context, self.config)
        return self._network.to(self.device)

    def _content(self, tokens: Mapping[str, TokenTable]) -> Content:
        return content_at(tokens, self.reducers, len(self.known)).to(self.device)

    def _read(self, content: Content) -> None:
        """Codes with all modalities now, and those without each when somebody asks."""
        self._encode(content)
        everything = torch.arange(len(self.known), device=self.device)
        self.ablate = cache(partial(ablated_codes, self.network, content, everything, self.known))

    @torch.no_grad()
    def take_codes(self, codes: Tensor) -> None:
        """Makes codes (n_items, d) those of the model's items."""
        self.codes, self.candidates = codes, self.network.retrieval.candidates(codes)

    @torch.no_grad()
    def _encode(self, content: Content) -> None:
        self.take_codes(self.network.codes(content, self.known))
        everything = torch.arange(len(self.known), device=self.device)
        self.bias = self.network.bias(everything, self.known)


def _blocks(users: Histories) -> list[Histories]:
    return [
        users.rows(start, start + _USERS_AT_ONCE) for start in range(0, len(users), _USERS_AT_ONCE)
    ]
