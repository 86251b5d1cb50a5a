"""A rounded matrix that float32 holds exactly, so that a checkpoint of it gives the same integers and scales back."""

from dataclasses import dataclass

import numpy as np

from .grid import quantize_rows

SCALE_BITS = 21
"""Of a scale's mantissa: times a weight of 3 bits it still fits the 24 bits of float32."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """Rows `weights * scale[:, None]`: int8 [R, N] in -4..3 without a common divisor in any row, float64 [R] > 0."""

    weights: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray, scale: np.ndarray) -> "Rounded":
        """Divides each row by what its integers have in common, and rounds scales to SCALE_BITS."""
        divisor = np.gcd.reduce(weights.astype(np.int64), axis=1)
        empty = divisor == 0
        divisor = np.where(empty, 1, divisor)
        fraction, exponent = np.frexp(np.where(empty, 1.0, scale * divisor))
        coarse = np.ldexp(np.floor(np.ldexp(fraction, SCALE_BITS) + 0.5), exponent - SCALE_BITS)
        return cls((weights // divisor[:, None]).astype(np.int8), coarse)

    @classmethod
    def nearest(cls, weights: np.ndarray) -> "Rounded":
        """Each weight rounded to the nearest, as `hc1gen bake` does it (RTN)."""
        return cls.of(*quantize_rows(weights))

    def array(self) -> np.ndarray:
        """float32 [R, N], exact."""
        return (self.weights * self.scale[:, None]).astype(np.float32)
