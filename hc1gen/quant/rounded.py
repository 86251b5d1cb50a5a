"""A rounded matrix that float32 holds exactly, so that a checkpoint of it gives the same integers and scales back."""

from dataclasses import dataclass

import numpy as np

from .grid import BITS, Bits, quantize_rows, row_bits

FLOAT_BITS = 24
"""Of a float32's mantissa: those of a weight and of its scale together."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """Rows `weights * scale[:, None]`: int8 [R, N] without a common divisor in any row, float64 [R] > 0."""

    weights: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray, scale: np.ndarray) -> "Rounded":
        """Divides each row by what its integers have in common, and rounds scales to what float32 leaves them."""
        divisor = np.gcd.reduce(weights.astype(np.int64), axis=1)
        empty = divisor == 0
        divisor = np.where(empty, 1, divisor)
        integers = weights.astype(np.int64) // divisor[:, None]
        bits = FLOAT_BITS - row_bits(integers)
        fraction, exponent = np.frexp(np.where(empty, 1.0, scale * divisor))
        coarse = np.ldexp(np.floor(np.ldexp(fraction, bits) + 0.5), exponent - bits)
        return cls(integers.astype(np.int8), coarse)

    @classmethod
    def nearest(cls, weights: np.ndarray, bits: Bits = BITS) -> "Rounded":
        """Each weight rounded to the nearest, as `hc1gen bake` does it (RTN)."""
        return cls.of(*quantize_rows(weights, bits))

    def array(self) -> np.ndarray:
        """float32 [R, N], exact."""
        return (self.weights * self.scale[:, None]).astype(np.float32)
