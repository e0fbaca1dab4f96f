"""What an MMNN answers, over the items of its fit and over those that came later."""

from collections.abc import Callable
from functools import partial

import torch

from models.data import Floats, Histories, Ints
from models.explanation import Explanation
from models.mmnn.clicks import predict_clicks
from models.mmnn.explanation import explain, explain_read, read
from models.mmnn.fitted import FittedMMNN
from models.protocol import Ranking
from models.ranking import rank


class MMNNRecommender:
    """Scores, ranks and explains; learns nothing.

    Args:
        fitted: what it answers from.
        ties: (n_items,) which of equal scores comes first.
    """

    name = "mmnn"

    def __init__(self, fitted: FittedMMNN, ties: Ints) -> None:
        self._fitted, self.ties = fitted, ties

    @property
    def fitted(self) -> FittedMMNN:
        """What the answers are made of."""
        return self._fitted

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities that the model reads, in the order of every array over them."""
        return self.fitted.modalities

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""
        return self.fitted.score(users, items)

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items per user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.ties, exclude=exclude)

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """What moved the scores of items (n_users, k): modalities, behaviour, past events.

        A part's share is of what the item's score loses where the part is hidden: a modality, or
        the item's id with its popularity, as of an item that nobody has touched.

        An item of -1 has no reason: zero shares, past items of -1.
        """
        return explain(self.fitted, users, items)

    @torch.no_grad()
    def score_to_explain(self, users: Histories) -> tuple[Floats, Callable[[Ints], Explanation]]:
        """Scores (n_users, n_items), and `explain` for the same users, who are read only once."""
        reading = read(self.fitted, users)
        scores = self.fitted.scores(reading.vectors)
        return scores.float().cpu().numpy(), partial(explain_read, self.fitted, reading)

    def predict_clicks(self, users: Histories, items: Ints) -> Floats:
        """Chances (n_users, k) that users choose items (n_users, k) rather than others drawn.

        An item of -1 has the chance 0. A chance is one against the draw of the training, in which
        every chosen item meets `click_negatives` others; ranked by it, the draw does not matter.

        Raises:
            MissingHeadError: click is not among the tasks.
        """
        return predict_clicks(self.fitted, users, items)
