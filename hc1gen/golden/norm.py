"""RMSNorm (Zhang and Sennrich 2019), all but the product with 1/sqrt, which the matrix behind it does."""

import numpy as np

from ..numeric.numerics import Numerics
from .arith import bit_length_exact, round_shift
from .blockfloat import Block, block_float, symmetric


def rms_norm(x: np.ndarray, gain: np.ndarray, n: Numerics) -> Block:
    """Residuals [T, D], gain [D] → mantissa * gain, saturated to `act_bits`, under 1/sqrt of the sum of squares.

    The residuals are cut to mantissas of `norm_bits` first, those with a large gain counting twice for the exponent, so
    that no product is too large. The exponent cancels: it is in the sum of squares too.
    What is squared is odd: a magnitude's highest `square_bits` bits and a half for those that were cut off.
    """
    mantissas, shift, _ = block_float(x << n.norm_lift, n.config.norm_bits, large(gain, n))
    odd = (mantissas ^ (mantissas >> 63)) >> n.square_drop << 1 | 1
    factor, k = inverse_sqrt((odd * odd).sum(axis=-1) + np.array(n.epsilons)[shift], n)
    return Block(symmetric(round_shift(mantissas * gain, n.norm_drop), n.config.act_bits), -k, factor)


def large(gain: np.ndarray, n: Numerics) -> np.ndarray:
    """1 where a gain is in the upper half of its range, else 0."""
    return ((gain ^ (gain >> 63)) >> (n.config.gain_bits - 2)).astype(np.int64)


def inverse_sqrt(v: np.ndarray, n: Numerics) -> tuple[np.ndarray, np.ndarray]:
    """`v >= 1` [T] → (mantissa [T] of `rsqrt_bits`, k [T]) with `1/sqrt(v) ≈ mantissa * 2**(-rsqrt_bits - k)`.

    The mantissa below the leading one of `v` is cut to `mantissa_bits` and looked up, the two octaves [1, 2) and
    [2, 4) having a table each.
    """
    top = bit_length_exact(v) - 1
    fraction = cut_mantissa(v, top, n.config.mantissa_bits)
    odd = top & 1
    return n.tables.rsqrt((odd << n.config.mantissa_bits) | fraction), top >> 1


def cut_mantissa(v: np.ndarray, top: np.ndarray, bits: int) -> np.ndarray:
    """The `bits` bits below the leading one of `v`, whose place is `top`; truncated, not rounded."""
    left = np.maximum(bits - top, 0)
    right = np.maximum(top - bits, 0)
    return ((v << left) >> right) & ((1 << bits) - 1)
