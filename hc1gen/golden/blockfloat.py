"""Block floating point: a vector becomes mantissas under one power-of-two exponent."""

from typing import NamedTuple

import numpy as np

from .arith import bit_length_exact, clip, round_shift


class Block(NamedTuple):
    """Vectors entering a matrix, worth `mantissas * factor * 2**exponent`.

    mantissas: [T, N] of `act_bits`; exponent: [T]; factor: [T], a fraction of `rsqrt_bits`, or None for 1.
    """

    mantissas: np.ndarray
    exponent: np.ndarray
    factor: np.ndarray | None = None


def block_float(x: np.ndarray, bits: int, weight: np.ndarray | None = None) -> Block:
    """Vectors [T, N] → `x ≈ mantissa * 2**exponent`, mantissas of `bits` bits.

    The exponent is the smallest >= 0 that brings all of `x`, or of `x << weight` [N], within two's-complement `bits`
    bits; rounding half up may reach `2**(bits - 1)`, which saturates to the largest mantissa. Mantissas are symmetric:
    never `-2**(bits - 1)`.
    """
    heavy = x if weight is None else x << weight
    magnitude = (heavy ^ (heavy >> 63)).max(axis=-1)
    exponent = np.maximum(bit_length_exact(magnitude) - (bits - 1), 0)
    return Block(symmetric(round_shift(x, exponent[:, None]), bits), exponent)


def symmetric(x: np.ndarray, bits: int) -> np.ndarray:
    """`x` held within the symmetric range of `bits` bits."""
    limit = (1 << (bits - 1)) - 1
    return clip(x, -limit, limit)
