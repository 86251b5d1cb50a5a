"""Coordinate descent over the integers of rows: each weight in turn takes its best value, then each scale its best one.

The error of a row w that is rounded to s * q is (w - s q) H (w - s q)^T. H is the second moment of the inputs, [N, N],
or [R, N, N] where every row has its own.
"""

import numpy as np

Limits = tuple[np.ndarray, np.ndarray]
"""The lowest and the highest integer of each row [R]."""
BLOCK = 32
"""Columns of a block. Changes are applied within a block first, then to the rest: most work is matrix products."""


def through(rows: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Returns rows [R, N] times H, [N, M] or [R, N, M]: [R, M]."""
    return rows @ h if h.ndim == 2 else np.einsum("rn,rnm->rm", rows, h)


def weighted_error(difference: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Returns the error d H d^T of each row d of `difference` [R, N]: [R]."""
    return np.einsum("rn,rn->r", through(difference, h), difference)


def nearest(x: np.ndarray, limits: Limits) -> np.ndarray:
    """Returns the nearest integers within the limits of each row to a column x [R], in steps of the grid."""
    return np.minimum(np.maximum(np.floor(x + 0.5), limits[0]), limits[1])


def fit_scale(weights: np.ndarray, h: np.ndarray, q: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Returns the scales [R] of least weighted error for the integers q [R, N]; `scale` where none above 0 exists."""
    hq = through(q, h)
    power = np.einsum("rn,rn->r", hq, q)
    fitted = np.einsum("rn,rn->r", hq, weights) / np.where(power > 0, power, 1)
    return np.where((fitted > 0) & (power > 0), fitted, scale).astype(scale.dtype)


def descend(
    weights: np.ndarray, h: np.ndarray, q: np.ndarray, scale: np.ndarray, limits: Limits, sweeps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Improves integers q [R, N] and scales [R] by at most `sweeps` sweeps. Returns the new integers and scales.

    A row that a sweep does not change is finished. The weighted error of a row never grows, apart from float rounding.
    The diagonal of H must be above 0.
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
    """Improves the integers in one pass over the columns, at fixed scales.

    Returns (bool [R]: the rows that changed, the new integers [R, N]).
    """
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
