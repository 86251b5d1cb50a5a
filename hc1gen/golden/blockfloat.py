"""Block floating point: a vector as integer mantissas with one common power of two."""

from typing import NamedTuple

import numpy as np

from .arith import bit_length_exact, clip, round_shift


class Block(NamedTuple):
    """Vectors that enter a matrix. Their value is `mantissas * factor * 2**exponent`.

    mantissas: [T, N] of `act_bits` bits, signed. exponent: [T]. factor: [T], unsigned with `rsqrt_bits` fraction bits,
    or None for a factor of 1.
    """

    mantissas: np.ndarray
    exponent: np.ndarray
    factor: np.ndarray | None = None


def block_float(x: np.ndarray, bits: int, weight: np.ndarray | None = None) -> Block:
    """Converts vectors [T, N] to block floating point: `x ≈ mantissas * 2**exponent` with mantissas of `bits` bits.

    The exponent is the smallest one, at least 0, with which all elements of `x >> exponent` fit `bits` two's-complement
    bits. With `weight` [N] all elements of `(x << weight) >> exponent` must fit. Mantissas are rounded half up. Where
    rounding reaches `2**(bits - 1)`, they saturate. They are symmetric: `-2**(bits - 1)` never occurs.
    """
    heavy = x if weight is None else x << weight
    magnitude = (heavy ^ (heavy >> 63)).max(axis=-1)
    exponent = np.maximum(bit_length_exact(magnitude) - (bits - 1), 0)
    return Block(symmetric(round_shift(x, exponent[:, None]), bits), exponent)


def symmetric(x: np.ndarray, bits: int) -> np.ndarray:
    """Returns `x` clipped to the symmetric range of `bits` bits: -(2**(bits - 1) - 1)..2**(bits - 1) - 1."""
    limit = (1 << (bits - 1)) - 1
    return clip(x, -limit, limit)
