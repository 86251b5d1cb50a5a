"""A rounded matrix that float32 represents exactly. So a checkpoint of it gives the same integers and scales again."""

from dataclasses import dataclass

import numpy as np

from .grid import BITS, Bits, quantize_rows, row_bits

FLOAT_BITS = 24
"""Bits of a float32's mantissa. A weight and its scale together may have this many."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """The matrix `weights * scale[:, None]`.

    weights: int8 [R, N]; the integers of a row have no common divisor above 1. scale: float64 [R], above 0.
    """

    weights: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, weights: np.ndarray, scale: np.ndarray) -> "Rounded":
        """Divides each row of integers [R, N] by its greatest common divisor, and rounds the scales [R].

        A scale keeps as many mantissa bits as float32 has left after the row's integers.
        """
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
        """Returns float weights [R, N] rounded to the nearest (RTN), as `hc1gen bake` rounds them."""
        return cls.of(*quantize_rows(weights, bits))

    def array(self) -> np.ndarray:
        """Returns the exact matrix, float32 [R, N]."""
        return (self.weights * self.scale[:, None]).astype(np.float32)
