"""Rounding rows of weights so that the error of their *outputs* is small, not that of the weights.

GPTQ (Frantar et al. 2022, arXiv:2210.17323) rounds column by column and lets the columns still to come make up for
each error. It is asked for several scales of each row; `descent` goes on from each result, and the best one is kept.
"""

from dataclasses import dataclass

import numpy as np

from .descent import Limits, descend, fit_scale, nearest, through, weighted_error
from .grid import BITS, Bits, bounds, fit_rows, quantize_rows

BLOCK = 32
LEAST_MEAN = 1e-30
"""Of a diagonal. Below, float32 has no inverse of it, and the outputs do not matter: a token that is never likely."""
CHUNK = 4096
"""Rows at a time: what is being worked on stays in the processor's cache."""


@dataclass(frozen=True)
class Effort:
    """How hard to look for the best integers.

    ratios: scales that GPTQ is to try, relative to those of least error of the weights, 0 for rows rounded to the
    nearest in place of GPTQ's; sweeps: at most so many rounds of descent after each, 0 for none; candidates: clip
    ratios of which the scales of least error are chosen; damping: share of H's mean diagonal that is added to its
    diagonal; act_order: columns of large inputs first.
    """

    ratios: tuple[float, ...] = (0.0, 0.7, 0.8, 0.9, 1.0, 1.1)
    sweeps: int = 8
    candidates: int = 24
    damping: float = 0.01
    act_order: bool = True


def round_rows(weights: np.ndarray, h: np.ndarray, effort: Effort, bits: Bits = BITS) -> tuple[np.ndarray, np.ndarray]:
    """Rows [R, N] under H [N, N] or [R, N, N] → (int8 [R, N] of `bits` bits, float64 scale [R] > 0)."""
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
    """H plus `share` of its mean diagonal, that of each row where H is [R, N, N]; never singular."""
    mean = np.einsum("...nn->...", h) / h.shape[-1]
    added = np.where(mean > LEAST_MEAN, share * mean, 1.0).astype(h.dtype)
    return h + added[..., None, None] * np.eye(h.shape[-1], dtype=h.dtype)


def inverse_factor(h: np.ndarray) -> np.ndarray:
    """Upper triangular U with U^T U = H^-1, of one or of many matrices."""
    return np.linalg.cholesky(np.linalg.inv(h.astype(np.float64))).swapaxes(-1, -2).astype(h.dtype)


def gptq(weights: np.ndarray, upper: np.ndarray, scale: np.ndarray, limits: Limits) -> np.ndarray:
    """Rows [R, N] at scales [R] → integers [R, N]; `upper` is `inverse_factor` of H."""
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
    """The best of the rounded rows and of GPTQ at every scale, each after descent, on the grid and on its mirror image:
    integers and scales."""
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
