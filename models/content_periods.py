"""What was known of the items in each stretch of a training's time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from crossmodal.modalities import TIME_DEPENDENT
from models.content import Content, content_at
from models.data import Bools, Dataset
from models.reducers import CrossFitted
from models.sequences import Rows, period_of


@dataclass(frozen=True)
class ContentPeriods:
    """The content of all items at the beginning of each period.

    Attributes:
        of_events: (n,) the period of each training event.
        begins: (p,) UTC microseconds at which each begins.
        contents: of all items, one per period.
        behavioural: (m,) which modalities are made of what users did; without any of them there is
            one period, since nothing changes.
    """

    of_events: Rows
    begins: Rows
    contents: tuple[Content, ...]
    behavioural: Bools

    @staticmethod
    def of(
        dataset: Dataset, reducers: Mapping[str, CrossFitted], most: int, device: torch.device
    ) -> "ContentPeriods":
        """The periods of a dataset's training events.

        Args:
            dataset: its tokens say what was known when.
            reducers: what a network reads of each modality.
            most: periods at the most.
            device: of the contents.
        """
        behavioural = np.array([name in TIME_DEPENDENT for name in reducers], dtype=bool)
        periods = most if behavioural.any() else 1
        of_events, begins = period_of(dataset.train.timestamps, periods)
        contents = tuple(
            content_at(dataset.tokens, reducers, dataset.n_items, int(begin)).to(device)
            for begin in begins
        )
        return ContentPeriods(of_events, begins, contents, behavioural)
