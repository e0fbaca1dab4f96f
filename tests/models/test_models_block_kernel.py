"""What a block of content counts for is learned: what says nothing counts for next to nothing."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines.block_kernel import Strengths, _slope, learned_strengths
from models.baselines.content_blocks import ContentBlocks
from models.data import Floats, Interactions, TokenTable
from models.reducers import fit_reducers


def kernel(blocks: list[Floats], found: Strengths) -> np.ndarray:
    """The kernel's formula, pair by pair."""
    n = len(blocks[0])
    made = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            apart = sum(
                w * ((x[i] - x[j]) ** 2).sum() for w, x in zip(found.near, blocks, strict=True)
            )
            linear = sum(a * x[i] @ x[j] for a, x in zip(found.linear, blocks, strict=True))
            made[i, j] = np.exp(-apart) + linear
    return made


def left_out_error(blocks: list[Floats], targets: np.ndarray, found: Strengths) -> float:
    """Each item foretold by a regression that was fitted on the others."""
    whole, n, error = kernel(blocks, found), len(targets), 0.0
    for i in range(n):
        rest = np.arange(n) != i
        solved = np.linalg.solve(
            whole[np.ix_(rest, rest)] + found.penalty * np.eye(n - 1), targets[rest]
        )
        error += float(((targets[i] - whole[i, rest] @ solved) ** 2).sum())
    return error


def telling_and_silent(seed: int, n: int = 40) -> tuple[list[Floats], np.ndarray]:
    """A block that targets are made of, one of noise, and one that is 0."""
    draw = np.random.default_rng(seed)
    telling, silent = (draw.standard_normal((n, 3)).astype(np.float32) for _ in range(2))
    targets = telling @ draw.standard_normal((3, 2)) + 0.1 * draw.standard_normal((n, 2))
    return [telling, silent, np.zeros((n, 1), np.float32)], targets - targets.mean(axis=0)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_what_is_learned_predicts_items_left_out_better_than_the_start(seed: int) -> None:
    blocks, targets = telling_and_silent(seed)
    found = learned_strengths(blocks, targets)
    start = learned_strengths([np.zeros_like(x) for x in blocks], targets)
    alike = Strengths(np.full(3, 0.2, np.float32), np.full(3, 0.1, np.float32), 0.3)
    assert left_out_error(blocks, targets, found) < left_out_error(blocks, targets, alike) / 2
    assert found.linear[0] > 3 * found.linear[1], "noise drowns nothing"
    assert found.near[2] == np.float32(0.2) == start.near[0], "of zeros nothing is learned"


def test_the_slope_in_closed_form_is_that_of_automatic_differentiation() -> None:
    draw = torch.Generator().manual_seed(3)
    root, wanted = (torch.randn(12, size, generator=draw, dtype=torch.float64) for size in (12, 4))
    kernel = (root @ root.T + torch.eye(12)).requires_grad_()
    inverse = torch.linalg.inv(kernel)
    error = ((inverse @ wanted) / inverse.diagonal()[:, None]).square().sum()
    (expected,) = torch.autograd.grad(error, kernel)
    torch.testing.assert_close(_slope(kernel.detach(), wanted), expected)


def test_nothing_to_learn_from_is_no_error() -> None:
    found = learned_strengths([np.zeros((0, 3), np.float32)], np.zeros((0, 2)))
    assert np.isfinite(found.near).all() and np.isfinite(found.penalty)


def test_blocks_come_back_from_their_arrays_and_absent_items_are_zero() -> None:
    draw = np.random.default_rng(0)
    features = draw.standard_normal((6, 8)).astype(np.float32)
    items = np.array([0, 1, 2, 4, 5, 6])
    tokens = {
        "text": TokenTable(8, items, np.zeros(6, np.int64), features),
        "image": TokenTable(8, items[:4], np.zeros(4, np.int64), features[:4, :3]),
    }
    warm = np.ones(8, dtype=bool)
    made = ContentBlocks.fit(tokens, warm, {"text": ("text", "title")}, widest=100, components=2)
    again = ContentBlocks.of_arrays(made.arrays())
    parts, known = made.parts(tokens, 8), again.parts(tokens, 8)
    assert made.widths == again.widths == {"image": 3, "text": 8}
    assert all(np.array_equal(one, other) for one, other in zip(parts, known, strict=True))
    assert [one.shape[1] for one in parts] == [3, 1, 4, 4, 1]
    assert not parts[2][[3, 7]].any(), "an item without text is at its mean"
    assert [one.shape[1] for one in made.parts({}, 8, ("image", "title"))] == [4, 1]


def test_a_title_that_says_nothing_takes_nothing_from_the_text() -> None:
    draw = np.random.default_rng(1)
    n_items, n_users, width = 200, 60, 12
    text = draw.standard_normal((n_items, width)).astype(np.float32)
    title = draw.standard_normal((n_items, width)).astype(np.float32)
    liked = text @ draw.standard_normal((width, n_users)) > 2.5
    chosen = np.argwhere(liked.T).astype(np.int32)
    values = np.ones(len(chosen), np.float32)
    times = np.arange(len(chosen), dtype=np.int64)
    train = Interactions(chosen[:, 0], chosen[:, 1], values, times)
    weights = {}
    for name, features in (("silent", title), ("telling", text[:, ::-1].copy())):
        both = np.hstack([text if name == "silent" else title, features])
        table = TokenTable(n_items, np.arange(n_items), np.zeros(n_items, np.int64), both)
        components = fit_reducers({"text": table}, train, 4, 0)["text"].whole.components
        weights[name] = np.abs(components[width:]).sum() / np.abs(components).sum()
    assert weights["silent"] == 0, "noise beside the text is left out"
    assert weights["telling"] > 0.5, "a title that tells counts"
