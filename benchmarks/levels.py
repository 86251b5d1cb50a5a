"""Rounding rows to any sets of values at a price for every full adder: for `grids.py`, no part of hc1gen.

GPTQ, descent and exact scales as in hc1gen/quant, where every step takes the best of a row's values, error and price
together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hc1gen.fabric.digits import digits
from hc1gen.quant.descent import fit_scale, through, weighted_error
from hc1gen.quant.gptq import Effort, damped, inverse_factor
from hc1gen.quant.grid import BITS, Bits, quantize_rows

SIZE = 8
"""Values of a codebook that is fitted."""
LARGEST = 31
STEPS = np.geomspace(0.7, 14, 16)
"""Root mean square of a row in steps of the scales that are tried first."""

Sets = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
"""Rows [R, N] and the mean power of their inputs [.., N] → sets of values [R, K]; each row takes the best of them."""


def adders_of(integers: np.ndarray) -> np.ndarray:
    """Nonzero digits of integers [..], which is about the full adders that they take: int64 [..]."""
    return np.count_nonzero(digits(integers[..., None]), axis=(-2, -1))


@dataclass(frozen=True, eq=False)
class Values:
    """What weights of each row may be, float64 [R, K]; each full adder has to save a squared error of `adder`."""

    values: np.ndarray
    adder: float

    @cached_property
    def price(self) -> np.ndarray:
        """Of each value, [R, K]."""
        return self.adder * adders_of(self.values)

    def nearest(self, x: np.ndarray, unit: np.ndarray) -> np.ndarray:
        """The best values for x [R, ..], in steps; a miss by one step is a squared error of `unit` [R]."""
        shape = (len(x), *[1] * (x.ndim - 1), self.values.shape[1])
        extra = (self.price / unit[:, None]).reshape(shape)
        best = np.argmin(np.square(self.values.reshape(shape) - x[..., None]) + extra, axis=-1)
        return np.take_along_axis(self.values, best.reshape(len(x), -1), axis=1).reshape(x.shape)

    def first_scale(self, rows: np.ndarray, power: np.ndarray) -> np.ndarray:
        """Scale [R] of least error of the weights, at the mean power [R] of inputs, refined as `quantize_rows` does."""
        size = np.sqrt(np.square(rows).mean(axis=1)) + 1e-12
        best_s, best_e = size.copy(), np.full(len(rows), np.inf)
        for steps in STEPS:
            s = size / steps
            for _ in range(2):
                q = self.nearest(rows / s[:, None], s * s * power)
                fitted = (rows * q).sum(axis=1) / np.maximum(np.square(q).sum(axis=1), 1)
                s = np.where(fitted > 0, fitted, s)
            e = power * np.square(rows - q * s[:, None]).sum(axis=1) + self.paid(q)
            best_s, best_e = np.where(e < best_e, s, best_s), np.minimum(e, best_e)
        return best_s

    def gptq(self, rows: np.ndarray, upper: np.ndarray, s: np.ndarray) -> np.ndarray:
        """As `hc1gen.quant.gptq.gptq`, to these values."""
        rest, q = rows.copy(), np.empty_like(rows)
        for j in range(rows.shape[1]):
            row = upper[..., j, :]
            q[:, j] = self.nearest(rest[:, j] / s, np.square(s / row[..., j]))
            missed = (rest[:, j] - q[:, j] * s) / row[..., j]
            rest[:, j:] -= missed[:, None] * row[..., j:]
        return q

    def descend(self, rows: np.ndarray, h: np.ndarray, q: np.ndarray, s: np.ndarray, sweeps: int) -> np.ndarray:
        """As `hc1gen.quant.descent.descend`, over these values and their price; the scale [R], integers in place."""
        s, active = fit_scale(rows, h, q, s), np.arange(len(rows))
        for _ in range(sweeps):
            if not len(active):
                break
            own = h if h.ndim == 2 else h[active]
            new = Values(self.values[active], self.adder).sweep(rows[active], own, q[active], s[active])
            changed = (new != q[active]).any(axis=1)
            q[active], s[active] = new, fit_scale(rows[active], own, new, s[active])
            active = active[changed]
        return s

    def sweep(self, rows: np.ndarray, h: np.ndarray, q: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Better integers [R, N] at fixed scales."""
        slope, q = through(rows - q * s[:, None], h), q.copy()
        for j in range(rows.shape[1]):
            unit = s * s * h[..., j, j]
            new = self.nearest(q[:, j] + s * slope[:, j] / unit, unit)
            slope -= ((new - q[:, j]) * s)[:, None] * h[..., j, :]
            q[:, j] = new
        return q

    def paid(self, q: np.ndarray) -> np.ndarray:
        """Price [R] of integers [R, N]."""
        return self.adder * adders_of(q).sum(axis=1)


@dataclass(eq=False)
class Rounder:
    """In place of `round_rows`: rows to the values of `sets`, an adder paid with `price` nats per token.

    nats: what rounding each group of matrices to the nearest costs; it says what a squared error is worth there.
    """

    sets: Sets
    price: float
    nats: Iterator[float]

    def __call__(
        self, weights: np.ndarray, h: np.ndarray, effort: Effort, bits: Bits = BITS
    ) -> tuple[np.ndarray, np.ndarray]:
        rows, h = weights.astype(np.float64), damped(h.astype(np.float64), effort.damping)
        plain, scale = quantize_rows(rows, bits)
        adder = self.price * weighted_error(rows - plain * scale[:, None], h).sum() / max(next(self.nats), 1e-9)
        power = np.einsum("...nn->...n", h)
        order = np.argsort(-power.reshape(-1, rows.shape[1]).mean(axis=0), kind="stable")
        ordered, own = h[..., order[:, None], order], rows[:, order]
        upper, mean = inverse_factor(ordered), np.broadcast_to(power.mean(axis=-1), len(rows))
        best_q, best_s, best_e = np.zeros_like(rows), np.ones(len(rows)), np.full(len(rows), np.inf)
        for integers in self.sets(rows, power):
            values = Values(np.broadcast_to(integers, (len(rows), integers.shape[-1])).astype(np.float64), adder)
            first = values.first_scale(own, mean)
            for ratio in effort.ratios:
                tried = first * (ratio or 1)
                q = values.gptq(own, upper, tried) if ratio else values.nearest(own / first[:, None], first**2 * mean)
                s = values.descend(own, ordered, q, tried, effort.sweeps)
                e = weighted_error(own - q * s[:, None], ordered) + values.paid(q)
                better = e < best_e
                best_q[better], best_s[better], best_e[better] = q[better], s[better], e[better]
        found = np.empty(rows.shape, np.int8)
        found[:, order] = best_q
        return found, best_s


def fixed(*sets: tuple[int, ...] | range) -> Sets:
    """The same sets for every row."""
    return lambda rows, power: [np.array(each) for each in sets]


def fitted(rows: np.ndarray, power: np.ndarray) -> list[np.ndarray]:
    """A codebook for each row, [R, SIZE]: Lloyd-Max under the inputs' power, snapped to integers of up to 6 bits."""
    weight = np.broadcast_to(power, rows.shape)
    centres = np.quantile(rows, (np.arange(SIZE) + 0.5) / SIZE, axis=1).T
    for _ in range(30):
        member = np.abs(rows[..., None] - centres[:, None, :]).argmin(axis=-1)[..., None] == np.arange(SIZE)
        total = (weight[..., None] * member).sum(axis=1)
        mean = ((weight * rows)[..., None] * member).sum(axis=1) / np.where(total > 0, total, 1)
        centres = np.where(total > 0, mean, centres)
    best, best_e = np.zeros(centres.shape, np.int64), np.full(len(rows), np.inf)
    for largest in range(4, LARGEST + 1):
        s = np.abs(centres).max(axis=1, keepdims=True) / largest + 1e-12
        integers = np.round(centres / s).astype(np.int64)
        missed = np.abs(rows[..., None] - (integers * s)[:, None, :]).min(axis=-1)
        e = (weight * missed**2).sum(axis=1)
        best[e < best_e], best_e = integers[e < best_e], np.minimum(e, best_e)
    return [best]
