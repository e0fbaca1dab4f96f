"""Networks and encoders on a CUDA device beside the same on the CPU."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from walking_users import random_walks

from models.baselines import Popularity
from models.data import Dataset, TokenTable
from models.encoders.builtin import LITE0, LOGMEL, MINILM
from models.encoders.factory import load_media_encoder, load_text_encoder
from models.gat import GAT, GATConfig
from models.mmnn import MMNN, MMNNConfig
from models.protocol import Recommender
from models.transformer import Transformer, TransformerConfig
from models.validation import validation_loss

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

N_ITEMS = 40
NETWORKS: dict[str, Callable[[str], MMNN | Transformer | GAT]] = {
    "mmnn": lambda device: MMNN(
        MMNNConfig(dim=16, epochs=12, batch_size=32, tasks=("retrieval", "click", "rating")), device
    ),
    "transformer": lambda device: Transformer(
        TransformerConfig(dim=16, heads=2, components=8, epochs=12, batch_size=8), device
    ),
    "gat": lambda device: GAT(
        GATConfig(dim=16, user_heads=2, components=8, epochs=12, batch_size=32, neighbours=3),
        device,
    ),
}


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Walks over items whose text tells where on the round they lie."""
    angle = 2 * np.pi * np.arange(N_ITEMS) / N_ITEMS
    text = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    known = np.zeros(N_ITEMS, dtype=np.int64)
    table = TokenTable(N_ITEMS, np.arange(N_ITEMS, dtype=np.int32), known, text)
    return replace(random_walks(n_items=N_ITEMS), tokens={"text": table})


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def fitted(request: pytest.FixtureRequest, data: Dataset) -> MMNN | Transformer | GAT:
    return NETWORKS[request.param]("cuda").fit(data)


def test_a_fit_on_cuda_learns_as_much_as_one_on_the_cpu(
    fitted: MMNN | Transformer | GAT, data: Dataset
) -> None:
    def loss(model: Recommender) -> float:
        return validation_loss(data, model, seed=1)()

    here, there = loss(fitted), loss(NETWORKS[fitted.name]("cpu").fit(data))
    assert here == pytest.approx(there, abs=0.05)
    assert here < loss(Popularity().fit(data)) - 0.05


def test_a_model_fitted_on_cuda_answers_the_same_on_the_cpu(
    fitted: MMNN | Transformer | GAT, data: Dataset, tmp_path: Path
) -> None:
    users = data.histories(np.arange(10, dtype=np.int32))
    fitted.save(tmp_path)
    loaded = type(fitted).load(tmp_path)
    np.testing.assert_allclose(fitted.score(users), loaded.score(users), rtol=1e-3, atol=1e-3)
    without: dict[str, TokenTable] = {}
    np.testing.assert_allclose(
        fitted.masked(without).score(users), loaded.masked(without).score(users), atol=1e-3
    )
    np.testing.assert_array_equal(
        fitted.recommend(users, 5, users).items, loaded.recommend(users, 5, users).items
    )


def test_reasons_new_items_and_predictions_are_the_same_on_both(
    data: Dataset, tmp_path: Path
) -> None:
    model = NETWORKS["mmnn"]("cuda").fit(data)
    assert isinstance(model, MMNN)
    model.save(tmp_path)
    other = MMNN.load(tmp_path)
    users, items = data.histories(np.arange(4, dtype=np.int32)), np.arange(12, dtype=np.int32)
    listed = items.reshape(4, 3)
    reasons, others = model.explain(users, listed), other.explain(users, listed)
    np.testing.assert_allclose(reasons.shares, others.shares, atol=1e-3)
    np.testing.assert_allclose(
        model.encode_items(data.tokens), other.encode_items(data.tokens), atol=1e-3
    )
    np.testing.assert_allclose(
        model.predict_ratings(np.zeros(12, np.int32), items),
        other.predict_ratings(np.zeros(12, np.int32), items),
        atol=1e-2,
    )
    np.testing.assert_allclose(
        model.predict_clicks(users, listed), other.predict_clicks(users, listed), atol=1e-2
    )


@pytest.mark.parametrize("modality", ["text", "image", "audio"])
def test_encoders_on_cuda_give_the_vectors_of_the_cpu(modality: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    load, name, batch = {
        "text": (load_text_encoder, MINILM, ["a film about a dog", "quarterly tax returns"]),
        "image": (
            partial(load_media_encoder, "image"),
            LITE0,
            list(rng.integers(0, 255, (2, 1, 224, 224, 3), "u1")),
        ),
        "audio": (
            partial(load_media_encoder, "audio"),
            LOGMEL,
            list(rng.standard_normal((2, 16_000)).astype("f4")),
        ),
    }[modality]
    here, there = (
        load(name, weights=tmp_path, device=torch.device(device)).encode(batch)
        for device in ("cuda", "cpu")
    )
    lengths = np.linalg.norm(here, axis=1) * np.linalg.norm(there, axis=1)
    assert (here * there).sum(axis=1) / lengths == pytest.approx(1, abs=0.01)
