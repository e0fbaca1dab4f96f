"""Feature fusion against model fusion: what an absent modality and the order of them may change."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.content import Content
from models.data import Dataset, Histories, Interactions, TokenTable, Vocabulary
from models.mmnn import MMNN, MMNNConfig
from models.mmnn.model_fusion import ScoreFusion, by_modality
from models.mmnn.network import MMNNNetwork
from models.sequences import Events
from models.training import seeded

ITEMS, USERS, LONGEST, CONTEXT = 9, 4, 5, 2
ALL = ("retrieval", "rating", "click")
CONFIG = MMNNConfig(dim=8, heads=2, components=3, tasks=ALL, fusion_level="model")
seeds = st.integers(0, 2**32 - 1)
examples = settings(max_examples=30, deadline=None)


def network_of(n_modalities: int, seed: int, level: str = "model") -> MMNNNetwork:
    """A network whose every weight says something: those that begin at zero are drawn too."""
    config = CONFIG.model_copy(update={"fusion_level": level})
    with seeded(seed):
        network = MMNNNetwork(n_modalities, ITEMS, CONTEXT, config).eval()
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(0.3 * torch.randn(weight.shape))
    return network


def content_of(n_modalities: int, seed: int) -> tuple[Content, Tensor]:
    """Random features with any subset present, and whose id is known."""
    rng = torch.Generator().manual_seed(seed)
    present = torch.rand(ITEMS, n_modalities, generator=rng) < 0.6
    features = torch.randn(n_modalities, ITEMS, CONFIG.components, generator=rng)
    features = features.masked_fill(~present.T.unsqueeze(-1), 0.0)
    return Content(tuple(features), present), torch.rand(ITEMS, generator=rng) < 0.5


@torch.no_grad()
def answers(network: MMNNNetwork, content: Content, known: Tensor, seed: int) -> list[Tensor]:
    """Scores, stars, clicks, and the vectors without each event, of some random histories."""
    rng = torch.Generator().manual_seed(seed)
    everything = torch.arange(ITEMS)
    codes = network.items(content, everything, known)
    past = Events(
        torch.randint(ITEMS, (USERS, LONGEST), generator=rng),
        torch.randn(USERS, LONGEST, generator=rng),
        torch.rand(USERS, LONGEST, generator=rng) < 0.7,
    )
    history = codes[past.items]
    users = network.users(history, past.values, past.present)
    pairs = users[:, None].expand(-1, ITEMS, -1), codes.expand(USERS, -1, -1)
    context = torch.randn(USERS, ITEMS, CONTEXT, generator=rng)
    without = network.users.whole_and_without_each(history, past.values, past.present)
    return [
        network.logits(users, codes, network.bias(everything, known)),
        network.stars(*pairs, context),
        network.clicks(*pairs),
        without.flatten(0, 1) @ network.retrieval.candidates(codes).T,
    ]


@pytest.mark.parametrize(
    ("level", "other"),
    [("feature", 7.0), ("model", 7.0), ("model", float("nan")), ("model", float("inf"))],
)
@examples
@given(n_modalities=st.integers(0, 4), seed=seeds)
def test_an_absent_token_changes_no_answer(level, other, n_modalities, seed):
    network = network_of(n_modalities, seed, level)
    content, known = content_of(n_modalities, seed)
    moved = tuple(
        x.masked_fill(~content.present[:, [k]], other) for k, x in enumerate(content.features)
    )
    changed = Content(moved, content.present)
    before, after = (answers(network, some, known, seed) for some in (content, changed))
    for expected, found in zip(before, after, strict=True):
        assert torch.isfinite(expected).all()
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


@examples
@given(st.integers(1, 4), seeds, st.data())
def test_the_order_of_the_modalities_changes_no_answer(n_modalities, seed, data):
    network, (content, known) = network_of(n_modalities, seed), content_of(n_modalities, seed)
    order = data.draw(st.permutations(range(n_modalities)))
    other = network_of(n_modalities, seed + 1)
    other.load_state_dict(reordered(network.state_dict(), order))
    moved = Content(tuple(content.features[k] for k in order), content.present[:, order])
    before, after = answers(network, content, known, seed), answers(other, moved, known, seed)
    for expected, found in zip(before, after, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def reordered(weights: dict[str, Tensor], order: Sequence[int]) -> dict[str, Tensor]:
    """Weights of the network whose modality k is the modality `order[k]` of another.

    The places after the modalities, the id and what stands for nothing, keep theirs.
    """
    places = [*order, len(order), len(order) + 1]
    numbered = re.compile(r"(token|towers|heads)\.(\d+)\.")
    stacked = re.compile(r"items\.(hidden|code)\b|fusion\.logits$")

    def source(name: str) -> str:
        return numbered.sub(lambda found: f"{found[1]}.{places[int(found[2])]}.", name)

    moved = {name: weights[source(name)] for name in weights}
    for name in moved:
        if stacked.search(name):
            moved[name] = moved[name][places]
    return {**moved, "items.blend": moved["items.blend"][list(order)]}


@examples
@given(seeds)
def test_a_tower_reads_its_own_modality_alone(seed):
    network, (content, known) = network_of(3, seed), content_of(3, seed)
    moved = Content((content.features[0] + 1, *content.features[1:]), content.present)
    codes, other = (
        network.items(some, torch.arange(ITEMS), known).detach() for some in (content, moved)
    )
    history = torch.arange(ITEMS).expand(2, -1)
    ones, there = torch.ones(2, ITEMS), torch.ones(2, ITEMS, dtype=torch.bool)
    vectors, others = (
        network.users(x[history], ones, there).view(2, 5, -1) for x in (codes, other)
    )
    torch.testing.assert_close(by_modality(codes, 5)[0][:, 1:], by_modality(other, 5)[0][:, 1:])
    torch.testing.assert_close(vectors[:, 1:], others[:, 1:])
    if content.present[:, 0].any():
        assert not torch.allclose(vectors[:, 0], others[:, 0])


@pytest.mark.parametrize("level", ["feature", "model"])
@examples
@given(seed=seeds)
def test_without_an_event_a_user_is_who_never_did_it(level, seed):
    network, (content, known) = network_of(3, seed, level), content_of(3, seed)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        codes = network.items(content, torch.arange(ITEMS), known)
        history = codes[torch.randint(ITEMS, (USERS, LONGEST), generator=rng)]
        values = torch.randn(USERS, LONGEST, generator=rng)
        present = torch.rand(USERS, LONGEST, generator=rng) < 0.7
        both = network.users.whole_and_without_each(history, values, present)
        whole, without = both[:, 0], both[:, 1:]
        torch.testing.assert_close(whole, network.users(history, values, present))
        for event in range(LONGEST):
            others = present & (torch.arange(LONGEST) != event)
            expected = network.users(history, values, others)
            # An event that held 99.9 % of a head's weight leaves float32 three digits of the rest.
            torch.testing.assert_close(without[:, event], expected, rtol=1e-2, atol=1e-2)


@given(st.integers(1, 6), seeds)
def test_scores_are_fused_by_a_softmax_over_what_is_there(places, seed):
    rng = np.random.default_rng(seed)
    logits, scores = rng.normal(size=places), rng.normal(size=(3, places))
    present = rng.random((3, places)) < 0.5
    present[:, rng.integers(places)] = True
    fusion = ScoreFusion(places)
    with torch.no_grad():
        fusion.logits.copy_(torch.from_numpy(logits))
        hidden = np.where(present, scores, np.nan).astype(np.float32)
        found = fusion(torch.from_numpy(hidden), torch.from_numpy(present)).numpy()
    weights = np.exp(logits) * present
    expected = (weights * scores).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@examples
@given(seeds)
def test_every_present_modality_gets_a_gradient_from_every_task(seed):
    network, (content, known) = network_of(3, seed), content_of(3, seed)
    features = tuple(x.clone().requires_grad_() for x in content.features)
    codes = network.items(Content(features, content.present), torch.arange(ITEMS), known)
    past = codes[torch.arange(ITEMS).expand(1, -1)]
    users = network.users(past, torch.zeros(1, ITEMS), torch.ones(1, ITEMS, dtype=torch.bool))
    users = users.expand(ITEMS, -1)
    for found in (
        network.logits(users[:1], codes, torch.zeros(ITEMS)),
        network.stars(users, codes, torch.zeros(ITEMS, CONTEXT)),
        network.clicks(users, codes),
    ):
        gradients = torch.autograd.grad(found.square().sum(), features, retain_graph=True)
        for k, gradient in enumerate(gradients):
            got = gradient.abs().sum(dim=1) > 0
            assert not got[~content.present[:, k]].any()
            assert got[content.present[:, k]].all()


KINDS, CROWD, CATALOGUE, COLD = 4, 48, 40, 8


def kinds() -> Dataset:
    """Users who like one of four kinds; the text says the kind, the picture nothing.

    A few items lack the text, some the picture. The last items have no event.
    """
    rng = np.random.default_rng(0)
    kind = np.arange(CATALOGUE) % KINDS
    chosen = np.stack(
        [
            rng.permutation(np.flatnonzero(kind[: CATALOGUE - COLD] == user % KINDS))[:7]
            for user in range(CROWD)
        ]
    )
    events = Interactions(
        np.repeat(np.arange(CROWD, dtype=np.int32), 7),
        chosen.ravel().astype(np.int32),
        rng.integers(1, 6, chosen.size).astype(np.float32),
        np.arange(chosen.size, dtype=np.int64) * 10**6,
    )
    last = np.arange(chosen.size) % 7 == 6
    having = {"text": np.arange(CATALOGUE) % 11 != 5, "image": np.arange(CATALOGUE) % 3 != 1}
    told = {"text": np.eye(KINDS)[kind], "image": rng.standard_normal((CATALOGUE, 6))}
    tokens = {}
    for name, has in having.items():
        items = np.flatnonzero(has).astype(np.int32)
        features = told[name][items] + 0.05 * rng.standard_normal((len(items), told[name].shape[1]))
        tokens[name] = TokenTable(
            CATALOGUE, items, np.zeros(len(items), np.int64), features.astype(np.float32)
        )
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(CROWD))),
        Vocabulary(tuple(f"i{n}" for n in range(CATALOGUE))),
        events.take(~last),
        events.take(last),
        tokens,
        np.zeros((int((~last).sum()), 0), np.float32),
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    return kinds()


@pytest.fixture(scope="session")
def model() -> MMNN:
    config = MMNNConfig(
        dim=16, heads=2, components=4, epochs=10, batch_size=64, fusion_level="model"
    )
    return MMNN(config).fit(kinds())


def test_cold_items_of_the_liked_kind_come_first(data, model):
    cold = np.arange(CATALOGUE - COLD, CATALOGUE, dtype=np.int32)
    best = cold[model.score(data.histories(), cold).argmax(axis=1)]
    assert (best % KINDS == np.arange(CROWD) % KINDS).mean() > 0.9


def test_the_same_seed_gives_the_same_scores(data, model):
    once, again = (
        MMNN(model.config.model_copy(update={"epochs": 2})).fit(data).score(data.histories())
        for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)


def test_new_items_score_as_cold_ones_do(data, model):
    histories = data.histories()
    cold = np.arange(CATALOGUE - COLD, CATALOGUE, dtype=np.int32)
    by_code = model.fitted.user_vectors(histories).numpy() @ model.encode_items(data.tokens)[cold].T
    np.testing.assert_allclose(model.score(histories, cold), by_code, rtol=1e-3, atol=1e-4)


def test_hidden_for_all_a_modality_is_hidden_for_the_explanation(data, model):
    histories = data.histories()
    items = model.recommend(histories, 3, exclude=histories).items
    why = model.explain(histories, items)
    sums = why.shares.sum(axis=2)
    assert ((np.abs(sums - 1) < 1e-5) | (sums == 0)).all()
    assert why.shares[..., 0].mean() > why.shares[..., 1].mean()
    for user in range(CROWD):
        taken = histories.items[histories.offsets[user] : histories.offsets[user + 1]]
        assert set(why.past_items[user].ravel()) <= {*taken.tolist(), -1}
    masked = model.masked({"image": data.tokens["image"]})
    torch.testing.assert_close(masked.items.codes, model.items.ablated[0])


def test_users_and_items_without_anything_get_finite_answers(data, model):
    scores = model.masked({}).score(Histories.empty(2))
    assert scores.shape == (2, CATALOGUE) and np.isfinite(scores).all()
    assert model.score(Histories.empty(0)).shape == (0, CATALOGUE)
    assert model.encode_items({}).shape[0] == 0
