"""Rounds rows of weights so that the error of their *outputs* is small, rather than the error of the weights.

GPTQ (Frantar et al. 2022, arXiv:2210.17323) rounds column by column, and the columns that are not rounded yet
compensate for each error. Here it runs with several scales for each row. `descent` improves each result, and the best
one is kept.
"""

from dataclasses import dataclass

import numpy as np

from .descent import Limits, descend, fit_scale, nearest, through, weighted_error
from .grid import BITS, Bits, bounds, fit_rows, quantize_rows

BLOCK = 32
"""Columns of a block, as in `descent`."""
LEAST_MEAN = 1e-30
"""Smallest mean diagonal of H that is damped in proportion. Below it, float32 cannot invert H. The outputs of such a
row do not matter: it belongs to a token that is never likely."""
CHUNK = 4096
"""Rows that are rounded at a time, so that the data in use stay in the processor's cache."""


@dataclass(frozen=True)
class Effort:
    """How much work the search for the best integers does.

    ratios: the scales to try with GPTQ, relative to the scale of least error of the weights; a ratio of 0 means to
    start from rows rounded to the nearest in place of GPTQ's. sweeps: most sweeps of descent after each, 0 for none.
    candidates: number of clip ratios from which the scale of least error is chosen. damping: the share of H's mean
    diagonal that is added to the diagonal. act_order: whether columns with large inputs are rounded first.
    """

    ratios: tuple[float, ...] = (0.0, 0.7, 0.8, 0.9, 1.0, 1.1)
    sweeps: int = 8
    candidates: int = 24
    damping: float = 0.01
    act_order: bool = True


def round_rows(weights: np.ndarray, h: np.ndarray, effort: Effort, bits: Bits = BITS) -> tuple[np.ndarray, np.ndarray]:
    """Rounds rows [R, N] for inputs with the second moment H, [N, N] or [R, N, N].

    Returns (integers int8 [R, N] of `bits` bits, scales float64 [R] above 0).
    """
    bits = np.broadcast_to(bits, len(weights))
    h = damped(h, effort.damping)
    order = np.argsort(-np.einsum("...nn->...n", h).reshape(-1, h.shape[-1]).mean(axis=0), kind="stable")
    if not effort.act_order:
        order = np.arange(len(order))
    ordered = h[..., order[:, None], order]
    upper = inverse_factor(ordered)
    q, scale = np.empty(weights.shape, np.int8), np.empty(len(weights))
    for start in range(0, len(weights), CHUNK):
        rows = slice(start, start + CHUNK)
        own, factor = (ordered, upper) if h.ndim == 2 else (ordered[rows], upper[rows])
        found, scale[rows] = _best(weights[rows][:, order], own, factor, effort, bits[rows])
        q[rows, order] = found
    return q, scale


def damped(h: np.ndarray, share: float) -> np.ndarray:
    """Returns H with `share` times its mean diagonal added to the diagonal. The result is never singular.

    If H is [R, N, N], each row has its own mean.
    """
    mean = np.einsum("...nn->...", h) / h.shape[-1]
    added = np.where(mean > LEAST_MEAN, share * mean, 1.0).astype(h.dtype)
    return h + added[..., None, None] * np.eye(h.shape[-1], dtype=h.dtype)


def inverse_factor(h: np.ndarray) -> np.ndarray:
    """Returns the upper triangular U with U^T U = H^-1, of one matrix [N, N] or of many [R, N, N]."""
    return np.linalg.cholesky(np.linalg.inv(h.astype(np.float64))).swapaxes(-1, -2).astype(h.dtype)


def gptq(weights: np.ndarray, upper: np.ndarray, scale: np.ndarray, limits: Limits) -> np.ndarray:
    """Rounds rows [R, N] at fixed scales [R] by GPTQ. Returns integers [R, N]. upper: `inverse_factor` of H."""
    rest = weights.copy()
    q = np.empty_like(rest)
    for start in range(0, rest.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        within, near = rest[:, block].copy(), upper[..., block, block]
        errors = np.empty_like(within)
        for j in range(within.shape[1]):
            q[:, start + j] = nearest(within[:, j] / scale, limits)
            errors[:, j] = (within[:, j] - q[:, start + j] * scale) / near[..., j, j]
            within[:, j + 1 :] -= errors[:, j : j + 1] * near[..., j, j + 1 :]
        rest[:, start + BLOCK :] -= through(errors, upper[..., block, start + BLOCK :])
    return q


def _best(
    weights: np.ndarray, h: np.ndarray, upper: np.ndarray, effort: Effort, bits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the integers and scales of least weighted error for each row.

    The candidates are the rows rounded to the nearest and the results of GPTQ at every scale, each improved by descent,
    on the grid and on the mirrored grid.
    """
    weights = weights.astype(h.dtype)
    low, high = bounds(bits, len(weights))
    limits = low.astype(h.dtype), high.astype(h.dtype)
    nearest, scale = quantize_rows(weights, bits, candidates=effort.candidates)
    best_q = nearest.astype(h.dtype)
    best_s = fit_scale(weights, h, best_q, scale.astype(h.dtype))
    best_e = weighted_error(weights - best_q * best_s[:, None], h)
    for sign in (1, -1):
        rows = sign * weights
        rounded, plain = (each.astype(h.dtype) for each in fit_rows(rows, bits, effort.candidates))
        for ratio in effort.ratios:
            q = gptq(rows, upper, plain * h.dtype.type(ratio), limits) if ratio else rounded
            q, s = descend(rows, h, q, fit_scale(rows, h, q, plain), limits, effort.sweeps)
            error = weighted_error(rows - q * s[:, None], h)
            better = error < best_e
            best_q[better], best_s[better], best_e[better] = sign * q[better], s[better], error[better]
    return best_q, best_s
