"""Rows of weights on the grid {-4..3} times one positive scale per row."""

import numpy as np

LOW, HIGH = -4, 3
ON_GRID = 0.02
"""A row counts as lying on a grid when no weight is further than this from it, in steps of the grid.

Rounding the largest weight, 4 steps, to bfloat16 moves it by up to 0.0156 steps."""


def quantize_rows(weights: np.ndarray, candidates: int = 24, refinements: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Float rows [R, N] → (int8 [R, N] in -4..3, float64 scale [R] > 0), scale by least squares over clip ratios.

    A row that already lies on such a grid keeps its integers exactly. Every candidate scale is refined by
    alternating between the best integers and the best scale (Lloyd's iteration), the best of all is kept.
    """
    rows = weights.astype(np.float64)
    best_q, best_s = _scaled(rows, _widest_scale(rows))
    best_e = _error(rows, best_q, best_s)
    for ratio in np.linspace(0.4, 1.2, candidates):
        s = _widest_scale(rows) * ratio
        for _ in range(refinements):
            q, s = _scaled(rows, s)
            s = _least_squares(rows, q, s)
        q, s = _scaled(rows, s)
        e = _error(rows, q, s)
        better = e < best_e
        best_q[better], best_s[better], best_e[better] = q[better], s[better], e[better]
    exact, q, s = _rows_on_grid(rows)
    best_q[exact], best_s[exact] = q[exact], s[exact]
    return best_q.astype(np.int8), best_s


def _widest_scale(rows: np.ndarray) -> np.ndarray:
    """The smallest scale [R] at which no weight is clipped; 1 for a row of zeros."""
    s = np.maximum(rows.max(axis=1) / HIGH, rows.min(axis=1) / LOW)
    return np.where(s > 0, s, 1.0)


def _scaled(rows: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.clip(np.floor(rows / s[:, None] + 0.5), LOW, HIGH), s


def _least_squares(rows: np.ndarray, q: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The scale that fits integers `q` best; `s` where there is none above zero."""
    power = (q * q).sum(axis=1)
    fitted = (rows * q).sum(axis=1) / np.maximum(power, 1.0)
    return np.where(fitted > 0, fitted, s)


def _error(rows: np.ndarray, q: np.ndarray, s: np.ndarray) -> np.ndarray:
    return ((rows - q * s[:, None]) ** 2).sum(axis=1)


def _rows_on_grid(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mask [R], integers [R, N], scale [R]) of rows that lie on a grid: the smallest weight is 1, 2, 3 or 4 steps."""
    magnitude = np.where(rows == 0, np.inf, np.abs(rows)).min(axis=1)
    found = ~np.isfinite(magnitude)
    best_q, best_s = np.zeros_like(rows), np.ones(len(rows))
    for steps in (4, 3, 2, 1):
        s = np.where(np.isfinite(magnitude), magnitude, 1.0) / steps
        q = np.floor(rows / s[:, None] + 0.5)
        fits = (q >= LOW).all(axis=1) & (q <= HIGH).all(axis=1) & (np.abs(rows / s[:, None] - q) < ON_GRID).all(axis=1)
        best_q[fits], best_s[fits] = q[fits], _least_squares(rows, q, s)[fits]
        found |= fits
    return found, best_q, best_s


def mantissa_exponent(scale: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Positive scales [R] → (m, x) with `scale ≈ m * 2**-x` and `m` of exactly `bits` unsigned bits."""
    fraction, exponent = np.frexp(scale)
    m = np.floor(fraction * (1 << bits) + 0.5).astype(np.int64)
    x = bits - exponent.astype(np.int64)
    carried = m == 1 << bits
    return np.where(carried, m >> 1, m), np.where(carried, x - 1, x)
