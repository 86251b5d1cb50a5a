"""Descent over the integers of rows: each weight in turn takes the best of its values, each scale its exact optimum.

The error of a row w that becomes s * q is (w - s q) H (w - s q)^T: H [N, N] is the second moment of the inputs, or
[R, N, N] where every row has its own.
"""

import numpy as np

Limits = tuple[np.ndarray, np.ndarray]
"""The lowest and the highest integer of each row [R]."""
BLOCK = 32
"""Columns whose steps are carried within the block before they reach the rest, so that most work is matrix products."""


def through(rows: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Rows [R, N] times H [N, M] or [R, N, M] → [R, M]."""
    return rows @ h if h.ndim == 2 else np.einsum("rn,rnm->rm", rows, h)


def weighted_error(difference: np.ndarray, h: np.ndarray) -> np.ndarray:
    """d H d^T of each row [R, N] → [R]."""
    return np.einsum("rn,rn->r", through(difference, h), difference)


def nearest(x: np.ndarray, limits: Limits) -> np.ndarray:
    """The grid's values nearest to a column x [R], in steps."""
    return np.minimum(np.maximum(np.floor(x + 0.5), limits[0]), limits[1])


def fit_scale(weights: np.ndarray, h: np.ndarray, q: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The scale [R] of least weighted error for given integers; `scale` where there is none above zero."""
    hq = through(q, h)
    power = np.einsum("rn,rn->r", hq, q)
    fitted = np.einsum("rn,rn->r", hq, weights) / np.where(power > 0, power, 1)
    return np.where((fitted > 0) & (power > 0), fitted, scale).astype(scale.dtype)


def descend(
    weights: np.ndarray, h: np.ndarray, q: np.ndarray, scale: np.ndarray, limits: Limits, sweeps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Better (integers [R, N], scale [R]); a row is left alone once a sweep changes nothing in it.

    The weighted error of a row never grows but by rounding of the arithmetic. H must have a diagonal above zero.
    """
    q, scale = q.copy(), scale.copy()
    active = np.arange(len(q))
    for _ in range(sweeps):
        if not len(active):
            break
        own = h if h.ndim == 2 else h[active]
        low, high = (limit[active] for limit in limits)
        changed, q[active] = sweep(weights[active], own, q[active], scale[active], (low, high))
        scale[active] = fit_scale(weights[active], own, q[active], scale[active])
        active = active[changed]
    return q, scale


def sweep(
    weights: np.ndarray, h: np.ndarray, q: np.ndarray, scale: np.ndarray, limits: Limits
) -> tuple[np.ndarray, np.ndarray]:
    """One pass over the columns at fixed scales → (which rows changed [R], integers [R, N])."""
    slope = through(weights - q * scale[:, None], h)
    new = q.copy()
    for start in range(0, q.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        within, near = slope[:, block].copy(), h[..., block, block]
        steps = np.empty_like(within)
        for j in range(within.shape[1]):
            old = q[:, start + j]
            new[:, start + j] = nearest(old + within[:, j] / (scale * near[..., j, j]), limits)
            steps[:, j] = (new[:, start + j] - old) * scale
            within -= steps[:, j : j + 1] * near[..., j, :]
        slope[:, start + BLOCK :] -= through(steps, h[..., block, start + BLOCK :])
    return (new != q).any(axis=1), new
