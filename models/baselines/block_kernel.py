"""A kernel over blocks of content that learns how much each block counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data import Floats
from models.training import one_thread

_START = {"near": 0.2, "linear": 0.1, "penalty": 0.3}
_STEPS = 30
_STEP_SIZE = 0.2


@dataclass(frozen=True)
class Strengths:
    """What each of b blocks counts for, and the ridge penalty that goes with it.

    Attributes:
        near: (b,) w, how fast items grow apart with their distance in a block.
        linear: (b,) a, how much of what is predicted is linear in a block.
        penalty: λ.
    """

    near: Floats
    linear: Floats
    penalty: float


def learned_strengths(blocks: Sequence[Floats], targets: np.ndarray) -> Strengths:
    """Strengths with which each item is predicted best from all the others.

    k(z, z') = exp(-Σ_b w_b ‖z_b - z'_b‖²) + Σ_b a_b ⟨z_b, z'_b⟩. With c = (K + λI)⁻¹ Y, what the
    others predict of item i is off by c_i / ((K + λI)⁻¹)_ii; Σ_i of its square is made small by
    gradient steps. A block that says nothing of the targets ends near 0, so it cannot drown
    another; of one that is 0 for all of them nothing is learned, and it keeps its start.
    (Leaving one out in closed form: Sundararajan and Keerthi 2001; strengths of parts of a
    kernel: multiple kernel learning, Gönen and Alpaydın 2011.)

    On one thread: the steps are many and small, and threads that wait for each other next to other
    work make them far slower.

    Args:
        blocks: b arrays (n, q_b), the same n items in each.
        targets: (n, f) with mean 0, what is to be predicted.
    """
    with one_thread():
        return _learned(blocks, targets)


def _learned(blocks: Sequence[Floats], targets: np.ndarray) -> Strengths:
    inner = torch.from_numpy(
        np.stack([np.asarray(x, np.float64) @ np.asarray(x, np.float64).T for x in blocks])
    )
    wanted = torch.from_numpy(targets / max(float(np.linalg.norm(targets)), 1e-12))
    near, linear, penalty = logs = [
        torch.full((size,), float(np.log(_START[name])), dtype=torch.float64)
        for name, size in (("near", len(inner)), ("linear", len(inner)), ("penalty", 1))
    ]
    apart = _distances(inner)
    optimizer = torch.optim.Adam(logs, lr=_STEP_SIZE)
    for _ in range(_STEPS if len(wanted) else 0):
        nearness = torch.exp(-torch.tensordot(near.exp(), apart, 1))
        kernel = nearness + torch.tensordot(linear.exp(), inner, 1)
        kernel.diagonal().add_(penalty.exp())
        slope = _slope(kernel, wanted)
        near.grad = -near.exp() * torch.tensordot(apart, nearness * slope, 2)
        linear.grad = linear.exp() * torch.tensordot(inner, slope, 2)
        penalty.grad = penalty.exp() * slope.trace()
        optimizer.step()
    strengths = [np.exp(x.numpy()).astype(np.float32) for x in logs]
    return Strengths(strengths[0], strengths[1], float(strengths[2][0]))


def _slope(kernel: Tensor, wanted: Tensor) -> Tensor:
    """∂E/∂A (n, n) of E = Σ_i ‖c_i / (A⁻¹)_ii‖² with c = A⁻¹ Y.

    With C = A⁻¹ and e_i = c_i / C_ii it is C diag(2 ‖e_i‖² / C_ii) C - (C g) cᵀ, g_i = 2 e_i /
    C_ii. In closed form, as automatic differentiation through the inverse takes four times as long.

    Args:
        kernel: A = K + λI (n, n).
        wanted: Y (n, f).
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel))
    solved, diagonal = inverse @ wanted, inverse.diagonal()[:, None]
    errors = solved / diagonal
    weights = 2 * errors.square().sum(dim=1) / diagonal[:, 0]
    return (inverse * weights) @ inverse - (inverse @ (2 * errors / diagonal)) @ solved.T


def _distances(inner: Tensor) -> Tensor:
    """‖x_i - x_j‖² (b, n, n) of inner products (b, n, n)."""
    lengths = inner.diagonal(dim1=1, dim2=2)
    return (lengths[:, :, None] + lengths[:, None] - 2 * inner).clamp(min=0)
