from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.content import content_at
from models.data import Dataset, Interactions, TokenTable, Vocabulary
from models.fusion import (
    OPERATORS,
    Autoencoder,
    FusionOperator,
    OperatorName,
    UnknownOperatorError,
    fusion_operator,
)
from models.fusion.autoencoder import random_subset
from models.mmnn import MMNN, MMNNConfig
from models.reducers import fit_reducers

DIM, MODALITIES, ROWS = 6, 4, 5
WITHOUT_PLACES = ["maximum", "gated_attention", "cross_attention"]
OF_THE_TOKENS_THEMSELVES = ["weighted_mean", "maximum", "gated_attention"]
TAUGHT_BY_ITSELF = ["autoencoder"]


@st.composite
def masks(draw: st.DrawFn) -> torch.Tensor:
    row = st.lists(st.booleans(), min_size=MODALITIES, max_size=MODALITIES).filter(any)
    return torch.tensor(draw(st.lists(row, min_size=ROWS, max_size=ROWS)))


def operator_and_tokens(name: str, seed: int = 0) -> tuple[FusionOperator, torch.Tensor]:
    """An operator whose every number is drawn: a place that begins at zero would hide mix-ups."""
    torch.manual_seed(seed)
    operator = fusion_operator(name, MODALITIES, DIM)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return operator, torch.randn(ROWS, MODALITIES, DIM)


def with_places_permuted(operator: FusionOperator, name: str, order: list[int]) -> FusionOperator:
    """The operator in which place i has the weights that place order[i] had."""
    moved = fusion_operator(name, MODALITIES, DIM)
    state = {
        key: value[order] if value.shape[0] == MODALITIES else value
        for key, value in operator.state_dict().items()
    }
    if name == "concatenation":
        columns = state["project.weight"].unflatten(1, (MODALITIES, DIM))
        state["project.weight"] = columns[:, order].flatten(1)
    moved.load_state_dict(state)
    return moved


def noise(present: torch.Tensor, tokens: torch.Tensor, value: float) -> torch.Tensor:
    return torch.where(present.unsqueeze(-1), tokens, torch.full_like(tokens, value))


def auxiliary_loss(
    operator: FusionOperator, tokens: torch.Tensor, present: torch.Tensor
) -> torch.Tensor:
    torch.manual_seed(7)
    return operator.auxiliary_loss(tokens, present)


def test_the_setting_names_every_operator():
    assert set(get_args(OperatorName)) == set(OPERATORS)
    assert set(OPERATORS) == {
        "concatenation",
        "weighted_mean",
        "maximum",
        "gated_attention",
        "cross_attention",
        "autoencoder",
        "mixture_of_experts",
    }


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=30, deadline=None)
@given(present=masks(), value=st.sampled_from([0.0, 1e6, float("nan"), float("inf")]))
def test_a_masked_token_never_changes_the_output(name, present, value):
    operator, tokens = operator_and_tokens(name)
    changed = noise(present, tokens, value)
    fused = operator(tokens, present)
    assert torch.isfinite(fused).all()
    torch.testing.assert_close(fused, operator(changed, present), rtol=0, atol=0)
    torch.testing.assert_close(
        auxiliary_loss(operator, tokens, present),
        auxiliary_loss(operator, changed, present),
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=30, deadline=None)
@given(present=masks(), value=st.sampled_from([1.0, float("nan"), float("inf")]))
def test_gradients_reach_every_present_token_and_no_other(name, present, value):
    operator, tokens = operator_and_tokens(name)
    tokens = noise(present, tokens, value).requires_grad_()
    operator(tokens, present).square().sum().backward()
    touched = tokens.grad.abs().sum(dim=-1) > 0
    assert torch.equal(touched, present)
    gradients = [x.grad for x in (tokens, *operator.parameters()) if x.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", WITHOUT_PLACES)
@settings(max_examples=30, deadline=None)
@given(present=masks(), order=st.permutations(range(MODALITIES)))
def test_operators_without_places_do_not_mind_the_order(name, present, order):
    operator, tokens = operator_and_tokens(name)
    torch.testing.assert_close(
        operator(tokens, present), operator(tokens[:, order], present[:, order])
    )


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=30, deadline=None)
@given(present=masks(), order=st.permutations(range(MODALITIES)))
def test_permuting_the_places_with_their_tokens_changes_nothing(name, present, order):
    operator, tokens = operator_and_tokens(name)
    moved = with_places_permuted(operator, name, order)
    torch.testing.assert_close(
        operator(tokens, present), moved(tokens[:, order], present[:, order])
    )


@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in WITHOUT_PLACES])
def test_operators_with_places_tell_them_apart(name):
    operator, tokens = operator_and_tokens(name)
    present = torch.ones(ROWS, MODALITIES, dtype=torch.bool)
    turned = tokens.roll(1, dims=1)
    assert (operator(tokens, present) - operator(turned, present)).abs().max() > 1e-3


@pytest.mark.parametrize("name", OPERATORS)
def test_rows_do_not_touch_each_other_and_shapes_hold(name):
    operator, tokens = operator_and_tokens(name)
    present = torch.ones(ROWS, MODALITIES, dtype=torch.bool)
    fused = operator(tokens, present)
    assert fused.shape == (ROWS, DIM)
    torch.testing.assert_close(fused[:2], operator(tokens[:2], present[:2]))
    assert operator(tokens[:0], present[:0]).shape == (0, DIM)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dim", [4, 5, 16])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_it_keeps_the_type_of_the_tokens_whatever_their_size(name, dim, dtype):
    operator = fusion_operator(name, MODALITIES, dim).to(dtype)
    tokens = torch.randn(ROWS, MODALITIES, dim, dtype=dtype)
    present = torch.ones(ROWS, MODALITIES, dtype=torch.bool)
    fused, loss = operator(tokens, present), operator.auxiliary_loss(tokens, present)
    assert fused.dtype == loss.dtype == dtype
    assert fused.shape == (ROWS, dim) and loss.shape == ()


@pytest.mark.parametrize("name", OF_THE_TOKENS_THEMSELVES)
def test_one_token_pooled_is_that_token(name):
    operator, tokens = operator_and_tokens(name)
    present = torch.zeros(ROWS, MODALITIES, dtype=torch.bool)
    present[:, 2] = True
    torch.testing.assert_close(operator(tokens, present), tokens[:, 2])


@settings(max_examples=30, deadline=None)
@given(present=masks())
def test_the_maximum_is_exact(present):
    operator, tokens = operator_and_tokens("maximum")
    expected = noise(present, tokens, -torch.inf).amax(dim=1)
    torch.testing.assert_close(operator(tokens, present), expected, rtol=0, atol=0)


def test_the_weighted_mean_begins_as_the_mean():
    tokens = torch.randn(ROWS, MODALITIES, DIM)
    present = torch.ones(ROWS, MODALITIES, dtype=torch.bool)
    present[:, 0] = False
    operator = fusion_operator("weighted_mean", MODALITIES, DIM)
    torch.testing.assert_close(operator(tokens, present), tokens[:, 1:].mean(dim=1))


@settings(max_examples=30, deadline=None)
@given(present=masks())
def test_a_mixture_lies_between_the_experts_of_what_is_present(present):
    operator, tokens = operator_and_tokens("mixture_of_experts")
    fused, experts = operator(tokens, present), operator.experts(tokens)
    lowest = noise(present, experts, torch.inf).amin(dim=1)
    highest = noise(present, experts, -torch.inf).amax(dim=1)
    assert (fused >= lowest - 1e-5).all() and (fused <= highest + 1e-5).all()


@settings(max_examples=30, deadline=None)
@given(present=masks())
def test_the_code_of_the_autoencoder_is_the_mean_of_those_of_its_tokens_alone(present):
    operator, tokens = operator_and_tokens("autoencoder")
    only = torch.eye(MODALITIES, dtype=torch.bool)
    alone = torch.stack([operator(tokens, row.expand(ROWS, -1)) for row in only], dim=1)  # b m d
    expected = noise(present, alone, torch.nan).nanmean(dim=1)
    torch.testing.assert_close(operator(tokens, present), expected)


@settings(max_examples=30, deadline=None)
@given(present=masks(), seed=st.integers(0, 99))
def test_a_random_subset_is_present_and_not_empty(present, seed):
    torch.manual_seed(seed)
    subset = random_subset(present)
    assert subset.any(dim=1).all() and not (subset & ~present).any()


def test_the_autoencoder_also_learns_from_a_part_of_what_is_present():
    operator, tokens = operator_and_tokens("autoencoder")
    present = torch.ones(ROWS, MODALITIES, dtype=torch.bool)
    losses = {operator.auxiliary_loss(tokens, present).item() for _ in range(5)}
    assert len(losses) > 1


@pytest.mark.parametrize("name", [name for name in OPERATORS if name not in TAUGHT_BY_ITSELF])
def test_an_operator_without_a_wish_adds_nothing_and_draws_nothing(name):
    operator, tokens = operator_and_tokens(name)
    present = torch.ones(ROWS, MODALITIES, dtype=torch.bool)
    before = torch.random.get_rng_state()
    assert operator.auxiliary_loss(tokens, present) == 0
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", TAUGHT_BY_ITSELF)
@settings(max_examples=30, deadline=None)
@given(present=masks())
def test_the_auxiliary_loss_reaches_present_tokens_only_and_repeats_with_the_seed(name, present):
    operator, tokens = operator_and_tokens(name)
    tokens.requires_grad_()
    loss = auxiliary_loss(operator, tokens, present)
    loss.backward()
    assert torch.equal(tokens.grad.abs().sum(dim=-1) > 0, present)
    assert all(parameter.grad is not None for parameter in operator.parameters())
    assert loss > 0 and loss == auxiliary_loss(operator, tokens, present)


@settings(max_examples=30, deadline=None)
@given(present=masks(), order=st.permutations(range(MODALITIES)))
def test_reconstructions_follow_their_places_and_ignore_the_masked(present, order):
    operator, tokens = operator_and_tokens("autoencoder")
    moved = with_places_permuted(operator, "autoencoder", order)
    told = operator.reconstruct(tokens, present)
    assert told.shape == tokens.shape
    again = operator.reconstruct(noise(present, tokens, float("nan")), present)
    torch.testing.assert_close(told, again, rtol=0, atol=0)
    torch.testing.assert_close(
        told[:, order], moved.reconstruct(tokens[:, order], present[:, order])
    )


def correlated_tokens(n: int, generator: torch.Generator) -> torch.Tensor:
    """Tokens (n, m, d) that are two shared causes seen through a map a modality, and noise."""
    maps = torch.randn(MODALITIES, DIM, 2, generator=torch.Generator().manual_seed(1))
    causes = torch.randn(n, 2, generator=generator)
    blur = 0.2 * torch.randn(n, MODALITIES, DIM, generator=generator)
    return torch.einsum("mdc,nc->nmd", maps, causes) + blur


def incomplete(n: int, generator: torch.Generator) -> torch.Tensor:
    """Three in four tokens (n, m) present, never none of a row."""
    present = torch.rand(n, MODALITIES, generator=generator) < 0.75
    present[:, 0] |= ~present.any(dim=1)
    return present


def test_the_autoencoder_imputes_a_missing_token_better_than_the_mean():
    generator = torch.Generator().manual_seed(3)
    train, new = correlated_tokens(512, generator), correlated_tokens(256, generator)
    given = incomplete(len(train), generator)
    torch.manual_seed(0)
    operator = Autoencoder(MODALITIES, DIM)
    optimizer = torch.optim.Adam(operator.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        operator.auxiliary_loss(train, given).backward()
        optimizer.step()
    for hidden in range(MODALITIES):
        others = torch.ones(len(new), MODALITIES, dtype=torch.bool)
        others[:, hidden] = False
        with torch.no_grad():
            imputed = operator.reconstruct(new, others)[:, hidden]
        error = (imputed - new[:, hidden]).square().mean()
        mean = train[given[:, hidden], hidden].mean(dim=0)
        assert error < 0.25 * (mean - new[:, hidden]).square().mean()


def test_an_unknown_operator_names_the_known_ones():
    with pytest.raises(UnknownOperatorError, match=", ".join(OPERATORS)):
        fusion_operator("outer-product", 3, 8)


USERS, ITEMS, KINDS, COLD = 60, 40, 4, 8
SMALL = MMNNConfig(dim=16, heads=2, epochs=20, patience=20, batch_size=64, components=8)


def two_modalities() -> Dataset:
    """Users who like one of four kinds of items; each kind has its own text and its own tags.

    Half of the items lack the tags, a few the text. The last `COLD` items have no event.
    """
    rng = np.random.default_rng(0)
    kind = np.arange(ITEMS) % KINDS
    liked = [np.flatnonzero(kind[: ITEMS - COLD] == user % KINDS) for user in range(USERS)]
    chosen = np.stack([rng.permutation(items)[:7] for items in liked])  # users 7
    events = Interactions(
        np.repeat(np.arange(USERS, dtype=np.int32), 7),
        chosen.ravel().astype(np.int32),
        rng.integers(1, 6, chosen.size).astype(np.float32),
        np.arange(chosen.size, dtype=np.int64) * 1_000_000,
    )
    last = np.arange(chosen.size) % 7 == 6
    tokens = {}
    having = {"text": np.arange(ITEMS) % 11 != 5, "tags": np.arange(ITEMS) // KINDS % 2 == 0}
    for name, has in having.items():
        items = np.flatnonzero(has).astype(np.int32)
        features = np.eye(KINDS)[kind[items]] + 0.05 * rng.standard_normal((len(items), KINDS))
        known_at = np.zeros(len(items), dtype=np.int64)
        tokens[name] = TokenTable(ITEMS, items, known_at, features.astype(np.float32))
    return Dataset(
        Vocabulary(tuple(f"u{n}" for n in range(USERS))),
        Vocabulary(tuple(f"i{n}" for n in range(ITEMS))),
        events.take(~last),
        events.take(last),
        tokens,
        np.zeros((int((~last).sum()), 0), dtype=np.float32),
        (),
    )


@pytest.fixture(scope="module")
def data() -> Dataset:
    return two_modalities()


def fitted(data: Dataset, **settings: object) -> MMNN:
    return MMNN(SMALL.model_copy(update=settings)).fit(data)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name == SMALL.operator else pytest.mark.slow)
        for name in OPERATORS
    ],
)
def test_every_operator_is_a_setting_of_the_mmnn(name, data, tmp_path: Path):
    model = fitted(data, operator=name)
    histories = data.histories()
    cold = np.arange(ITEMS - COLD, ITEMS, dtype=np.int32)
    best = cold[model.score(histories, cold).argmax(axis=1)]
    assert (best % KINDS == np.arange(USERS) % KINDS).mean() > 0.8
    model.save(tmp_path)
    loaded = MMNN.load(tmp_path)
    assert loaded.config == model.config
    np.testing.assert_array_equal(model.score(histories), loaded.score(histories))
    np.testing.assert_array_equal(model.encode_items(data.tokens), loaded.encode_items(data.tokens))


def reconstruction_error(model: MMNN, data: Dataset) -> float:
    """Of the tokens of all items, told from themselves and from a draw of them."""
    tower, config = model.network.items, model.config
    reducers = fit_reducers(data.tokens, data.train, config.components, config.seed)
    whole = {name: reducer.whole for name, reducer in reducers.items()}
    items = torch.arange(ITEMS)
    with torch.no_grad():
        tokens = tower.tokens(content_at(data.tokens, whole, ITEMS), items, items < ITEMS - COLD)
        return float(auxiliary_loss(tower.operator, *tokens))


@pytest.mark.slow
def test_the_mmnn_trains_the_auxiliary_loss_of_its_operator(data):
    with_it = fitted(data, operator="autoencoder", auxiliary_weight=1.0)
    without = fitted(data, operator="autoencoder", auxiliary_weight=0.0)
    assert reconstruction_error(with_it, data) < 0.7 * reconstruction_error(without, data)


def test_the_auxiliary_weight_changes_nothing_for_an_operator_without_a_wish(data):
    much, nothing = (fitted(data, auxiliary_weight=weight, epochs=3) for weight in (5.0, 0.0))
    histories = data.histories()
    np.testing.assert_array_equal(much.score(histories), nothing.score(histories))
