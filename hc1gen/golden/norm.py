"""RMSNorm (Zhang and Sennrich 2019), all but the final product with 1/sqrt, which the quantiser does."""

import numpy as np

from ..quant.numerics import Numerics
from .arith import bit_length_exact, round_shift


def rms_norm(x: np.ndarray, gain: np.ndarray, n: Numerics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residuals [T, D], gain [D] → product [T, D], and `1/sqrt(sum of squares) = mantissa * 2**-k` as two [T].

    The sum of squares is exact. Its mantissa below the leading one is cut to `mantissa_bits` and looked up, the two
    octaves [1, 2) and [2, 4) having a table each.
    """
    product = round_shift(x * gain, n.product_drop)
    return product, *inverse_sqrt((x * x).sum(axis=-1) + n.epsilon, n)


def inverse_sqrt(v: np.ndarray, n: Numerics) -> tuple[np.ndarray, np.ndarray]:
    """`v >= 1` [T] → (mantissa [T] of `rsqrt_bits`, k [T]) with `1/sqrt(v) ≈ mantissa * 2**(-rsqrt_bits - k)`."""
    top = bit_length_exact(v) - 1
    fraction = cut_mantissa(v, top, n.config.mantissa_bits)
    odd = top & 1
    return n.tables.rsqrt((odd << n.config.mantissa_bits) | fraction), top >> 1


def cut_mantissa(v: np.ndarray, top: np.ndarray, bits: int) -> np.ndarray:
    """The `bits` bits below the leading one of `v`, whose place is `top`; truncated, not rounded."""
    left = np.maximum(bits - top, 0)
    right = np.maximum(top - bits, 0)
    return ((v << left) >> right) & ((1 << bits) - 1)
