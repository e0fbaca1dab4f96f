"""What the hybrid has learned, on the disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from models.baselines import ALS
from models.hmdf.config import HMDFConfig
from models.hmdf.features import Knowledge
from models.hmdf.guests import GuestScores
from models.hmdf.newcomers import Newcomers
from models.hmdf.ranker import Ranker
from models.persistence import ModelFormatError, tensor

_NEWCOMERS = "newcomers"


def write_ranker(ranker: Ranker, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Writes every model below an existing folder; the arrays and facts that are left to keep."""
    for place, model in enumerate(ranker.retrievers.values()):
        below = folder / f"retriever-{place}"
        below.mkdir()
        model.save(below)
    arrays: dict[str, np.ndarray] = {
        "ties": ranker.ties,
        **{
            f"trees-{bag}": np.frombuffer(trees.model_to_string().encode(), dtype=np.uint8)
            for bag, trees in enumerate(ranker.bags)
        },
        **ranker.knowledge.arrays(),
    }
    if ranker.guests is not None:
        arrays["guests.values"] = ranker.guests.values
    if ranker.newcomers is not None:
        (folder / _NEWCOMERS).mkdir()
        ranker.newcomers.content.factors.save(folder / _NEWCOMERS)
        arrays |= ranker.newcomers.arrays()
    described = {
        "retrievers": list(ranker.retrievers),
        "reads": dict(ranker.reads),
        "links": list(ranker.knowledge.links.kinds),
    }
    return arrays, described


def read_ranker(
    folder: Path, arrays: Mapping[str, np.ndarray], described: Mapping[str, Any], config: HMDFConfig
) -> Ranker:
    """What `write_ranker` wrote.

    Raises:
        ModelFormatError: a part is missing, or the trees read other features.
    """
    from models.catalogue.families import load_model

    try:
        bags = tuple(
            lgb.Booster(model_str=tensor(arrays, f"trees-{bag}", folder).tobytes().decode())
            for bag in range(config.bags)
        )
        knowledge = Knowledge.of_arrays(arrays, described["links"])
        names, reads = described["retrievers"], described["reads"]
        guests = GuestScores(arrays["guests.values"]) if "guests.values" in arrays else None
        newcomers = None
        if "newcomers.taste" in arrays:
            factors = ALS.load(folder / _NEWCOMERS)
            item_parts = knowledge.content, knowledge.numbers
            newcomers = Newcomers.of_arrays(arrays, factors, *item_parts)
    except (KeyError, ValueError, lgb.basic.LightGBMError) as error:
        raise ModelFormatError(
            f"{folder} does not hold a whole hybrid ({error}); fit the model again."
        ) from error
    retrievers = {
        name: load_model(folder / f"retriever-{place}") for place, name in enumerate(names)
    }
    ties = tensor(arrays, "ties", folder)
    ranker = Ranker(config.candidates, ties, retrievers, reads, knowledge, bags, newcomers, guests)
    if tuple(bags[0].feature_name()) != ranker.feature_names:
        raise ModelFormatError(
            f"The trees in {folder} read other features than this version makes; fit the model "
            "again."
        )
    return ranker
