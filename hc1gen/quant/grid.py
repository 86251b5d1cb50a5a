"""Rows of weights on a grid: integers of 3 bits (for chosen tensors up to 6) times one positive scale per row.

The integers of a row are in -4..3, or in -3..4 on the mirrored grid. The mirrored grid is free in hardware: a 4 costs
as many adders as a -4.
"""

from itertools import product

import numpy as np

BITS = 3
MOST_BITS = 6
LOW, HIGH = -4, 3
"""Lowest and highest integer of BITS bits, on the grid that is not mirrored."""
ON_GRID = 0.02
"""A row lies on a grid if no weight is further than this from a grid point, in steps of the grid.

This holds for weights of up to 4 steps; for larger weights the distance may grow in proportion. The value leaves room
for bfloat16, which moves a weight of 4 steps by up to 0.0156 steps."""
WIDE_SLACK = 1.6
"""Factor on ON_GRID for rows of more than 3 bits: the step follows from the smallest weight, which is rounded, too."""
PROBE = 16
"""Columns that are compared with a grid first; only rows that fit in them are compared as a whole."""

Bits = int | np.ndarray
"""A number of bits: one for all rows, or one for each row [R]."""


def bounds(bits: Bits, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lowest and the highest integer of `bits` bits, not mirrored: float64 [rows] each."""
    half = np.broadcast_to(np.exp2(np.asarray(bits, np.float64) - 1), rows)
    return -half, half - 1


def row_bits(integers: np.ndarray) -> np.ndarray:
    """Returns the bits that each row of integers [R, N] needs, mirrored or not, at least BITS: int64 [R]."""
    wide = integers.astype(np.int64)
    high, low = wide.max(axis=1, initial=0), -wide.min(axis=1, initial=0)
    half = np.minimum(np.maximum(high + 1, low), np.maximum(high, low + 1))
    return np.maximum(BITS, 1 + np.ceil(np.log2(half)).astype(np.int64))


def row_bounds(integers: np.ndarray, bits: Bits) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lowest and the highest integer that each row of integers [R, N] may have: float64 [R] each.

    A row of `bits` bits is on the mirrored grid if it contains the highest integer of the mirrored grid.
    """
    low, high = bounds(bits, len(integers))
    mirrored = integers.max(axis=1, initial=0) > high
    return low + mirrored, high + mirrored


def quantize_rows(
    weights: np.ndarray, bits: Bits = BITS, kept: int = BITS, candidates: int = 24, refinements: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Rounds float rows [R, N]. Returns (integers int8 [R, N] of `bits` bits, scales float64 [R] above 0).

    A row that already lies on a grid of up to `kept` bits keeps its integers exactly. Any other row is rounded to the
    grid or to the mirrored grid, whichever has the smaller squared error. candidates, refinements: see `fit_rows`.
    """
    rows = weights.astype(np.float64)
    exact, best_q, best_s = _rows_on_grid(rows, kept)
    left = np.flatnonzero(~exact)
    if len(left):
        rows = rows[left]
        bits = np.broadcast_to(bits, len(exact))[left]
        q, s = fit_rows(rows, bits, candidates, refinements)
        mirrored_q, mirrored_s = fit_rows(-rows, bits, candidates, refinements)
        nearer = _error(-rows, mirrored_q, mirrored_s) < _error(rows, q, s)
        best_q[left] = np.where(nearer[:, None], -mirrored_q, q)
        best_s[left] = np.where(nearer, mirrored_s, s)
    return best_q.astype(np.int8), best_s


def fit_rows(
    rows: np.ndarray, bits: Bits = BITS, candidates: int = 24, refinements: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Rounds float rows [R, N] to the grid that is not mirrored. Returns (integers as float64 [R, N], scales [R]).

    It tries `candidates` clip ratios. Each candidate scale is improved `refinements` times: the best integers for the
    scale, then the best scale for the integers (Lloyd's iteration). The scale of least squared error is kept.
    """
    low, high = bounds(bits, len(rows))
    widest = np.maximum(rows.max(axis=1) / high, rows.min(axis=1) / low)
    widest = np.where(widest > 0, widest, 1.0)

    def scaled(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.clip(np.floor(rows / s[:, None] + 0.5), low[:, None], high[:, None]), s

    best_q, best_s = scaled(widest.copy())
    best_e = _error(rows, best_q, best_s)
    for ratio in np.linspace(0.4, 1.2, candidates):
        s = widest * ratio
        for _ in range(refinements):
            q, s = scaled(s)
            s = _least_squares(rows, q, s)
        q, s = scaled(s)
        e = _error(rows, q, s)
        better = e < best_e
        best_q[better], best_s[better], best_e[better] = q[better], s[better], e[better]
    return best_q, best_s


def _least_squares(rows: np.ndarray, q: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Returns the scales [R] of least squared error for the integers q [R, N]; `s` where none above 0 exists."""
    power = (q * q).sum(axis=1)
    fitted = (rows * q).sum(axis=1) / np.maximum(power, 1.0)
    return np.where(fitted > 0, fitted, s)


def _error(rows: np.ndarray, q: np.ndarray, s: np.ndarray) -> np.ndarray:
    return ((rows - q * s[:, None]) ** 2).sum(axis=1)


def _rows_on_grid(rows: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the rows that lie on a grid of up to `bits` bits. Returns (mask [R], integers [R, N], scales [R]).

    It tries every number of steps that the smallest weight that is not 0 can have. If several grids fit, the grid of
    fewest bits is taken.
    """
    magnitude = np.where(rows == 0, np.inf, np.abs(rows)).min(axis=1)
    found = ~np.isfinite(magnitude)
    best_q, best_s = np.zeros_like(rows), np.ones(len(rows))
    for width, mirrored in product(range(BITS, bits + 1), (0, 1)):
        low, high = (float(limit[0]) + mirrored for limit in bounds(width, 1))
        for steps in range(1, 1 + (1 << width - 1)):
            left = np.flatnonzero(~found)
            s = magnitude[left] / steps
            for columns in (PROBE, rows.shape[1]):
                fits = _fits(rows[left, :columns], s, low, high, 1.0 if width == BITS else WIDE_SLACK)
                left, s = left[fits], s[fits]
            q = np.floor(rows[left] / s[:, None] + 0.5)
            best_q[left], best_s[left] = q, _least_squares(rows[left], q, s)
            found[left] = True
    return found, best_q, best_s


def _fits(rows: np.ndarray, s: np.ndarray, low: float, high: float, slack: float) -> np.ndarray:
    """Returns whether each row is integers in low..high times its scale [R], within `slack` times ON_GRID."""
    steps = rows / s[:, None]
    q = np.floor(steps + 0.5)
    near = np.abs(steps - q) < slack * ON_GRID * np.maximum(1.0, np.abs(q) / 4)
    return np.asarray((near & (q >= low) & (q <= high)).all(axis=1))


def mantissa_exponent(scale: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns (m [R], x [R]) of positive scales [R], with `scale ≈ m * 2**-x`. m has exactly `bits` bits, unsigned."""
    fraction, exponent = np.frexp(scale)
    m = np.floor(fraction * (1 << bits) + 0.5).astype(np.int64)
    x = bits - exponent.astype(np.int64)
    carried = m == 1 << bits
    return np.where(carried, m >> 1, m), np.where(carried, x - 1, x)
