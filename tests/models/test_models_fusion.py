import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fusion import OPERATORS, UnknownOperatorError, fusion_operator

DIM, MODALITIES, ROWS = 6, 4, 5


@st.composite
def masks(draw: st.DrawFn) -> torch.Tensor:
    row = st.lists(st.booleans(), min_size=MODALITIES, max_size=MODALITIES).filter(any)
    return torch.tensor(draw(st.lists(row, min_size=ROWS, max_size=ROWS)))


def operator_and_tokens(name: str, seed: int = 0) -> tuple[torch.nn.Module, torch.Tensor]:
    torch.manual_seed(seed)
    operator = fusion_operator(name, MODALITIES, DIM)
    return operator, torch.randn(ROWS, MODALITIES, DIM)


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=30, deadline=None)
@given(present=masks(), noise=st.sampled_from([0.0, 1e6, float("nan"), float("inf")]))
def test_a_masked_token_never_changes_the_output(name, present, noise):
    operator, tokens = operator_and_tokens(name)
    changed = torch.where(present.unsqueeze(-1), tokens, torch.full_like(tokens, noise))
    torch.testing.assert_close(
        operator(tokens, present), operator(changed, present), rtol=0, atol=0
    )


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=30, deadline=None)
@given(present=masks())
def test_gradients_reach_every_present_token_and_no_other(name, present):
    operator, tokens = operator_and_tokens(name)
    tokens.requires_grad_()
    operator(tokens, present).square().sum().backward()
    touched = tokens.grad.abs().sum(dim=-1) > 0
    assert torch.equal(touched, present)


@settings(max_examples=30, deadline=None)
@given(present=masks(), order=st.permutations(range(MODALITIES)))
def test_gated_attention_does_not_mind_the_order(present, order):
    operator, tokens = operator_and_tokens("gated_attention")
    torch.testing.assert_close(
        operator(tokens, present), operator(tokens[:, order], present[:, order])
    )


@pytest.mark.parametrize("name", OPERATORS)
def test_rows_do_not_touch_each_other_and_shapes_hold(name):
    operator, tokens = operator_and_tokens(name)
    present = torch.ones(ROWS, MODALITIES, dtype=torch.bool)
    fused = operator(tokens, present)
    assert fused.shape == (ROWS, DIM)
    torch.testing.assert_close(fused[:2], operator(tokens[:2], present[:2]))


def test_gated_attention_of_one_token_is_that_token():
    operator, tokens = operator_and_tokens("gated_attention")
    present = torch.zeros(ROWS, MODALITIES, dtype=torch.bool)
    present[:, 2] = True
    torch.testing.assert_close(operator(tokens, present), tokens[:, 2])


def test_an_unknown_operator_names_the_known_ones():
    with pytest.raises(UnknownOperatorError, match="concatenation, gated_attention"):
        fusion_operator("outer-product", 3, 8)
