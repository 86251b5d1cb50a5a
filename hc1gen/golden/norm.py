"""RMSNorm (Zhang and Sennrich 2019), without the product with 1/sqrt: the matrix after the norm multiplies by it."""

import numpy as np

from ..numeric.numerics import Numerics
from .arith import bit_length_exact, round_shift
from .blockfloat import Block, block_float, symmetric


def rms_norm(x: np.ndarray, gain: np.ndarray, n: Numerics) -> Block:
    """Normalises residuals [T, D] with gains [D]. Returns mantissas of `act_bits` bits, and 1/sqrt as their factor.

    The residuals are first cut to mantissas of `norm_bits` bits with a common exponent. A residual whose gain is large
    counts as twice as large for the exponent, so that no product with a gain is too large. The exponent cancels out,
    because it is in the sum of squares, too. For the sum of squares, a magnitude is cut to its highest `square_bits`
    bits, and half a unit is added for the bits that were cut off. In units of that half, the squared number is odd.
    """
    mantissas, shift, _ = block_float(x << n.norm_lift, n.config.norm_bits, large(gain, n))
    odd = (mantissas ^ (mantissas >> 63)) >> n.square_drop << 1 | 1
    factor, k = inverse_sqrt((odd * odd).sum(axis=-1) + np.array(n.epsilons)[shift], n)
    return Block(symmetric(round_shift(mantissas * gain, n.norm_drop), n.config.act_bits), -k, factor)


def large(gain: np.ndarray, n: Numerics) -> np.ndarray:
    """Returns int64 of the shape of `gain`: 1 where a gain's magnitude is in the upper half of its range, else 0."""
    return ((gain ^ (gain >> 63)) >> (n.config.gain_bits - 2)).astype(np.int64)


def inverse_sqrt(v: np.ndarray, n: Numerics) -> tuple[np.ndarray, np.ndarray]:
    """Returns (mantissa [T] of `rsqrt_bits` bits, k [T]) with `1/sqrt(v) ≈ mantissa * 2**(-rsqrt_bits - k)`.

    v: [T], every element at least 1. The `mantissa_bits` bits below its leading one are looked up in a table. The
    octaves [1, 2) and [2, 4) have one half of the table each.
    """
    top = bit_length_exact(v) - 1
    fraction = cut_mantissa(v, top, n.config.mantissa_bits)
    odd = top & 1
    return n.tables.rsqrt((odd << n.config.mantissa_bits) | fraction), top >> 1


def cut_mantissa(v: np.ndarray, top: np.ndarray, bits: int) -> np.ndarray:
    """Returns the `bits` bits below the leading one of `v`, truncated. top: the place of the leading one."""
    left = np.maximum(bits - top, 0)
    right = np.maximum(top - bits, 0)
    return ((v << left) >> right) & ((1 << bits) - 1)
