"""Constant matrix-vector multiplication (CMVM), and the requantisation after it: one product and one shift per row."""

import numpy as np

from ..numeric.numerics import Numerics
from ..quant.quantized import Matrix
from .arith import clip, matmul, round_shift
from .blockfloat import Block
from .observer import RangeObserver

SHIFT_LIMIT = 60
"""Larger shifts give the same result, 0, because accumulator times mantissa is below 2**59."""


def requantize(
    accumulator: np.ndarray, mantissa: np.ndarray, shift: np.ndarray, exponent: np.ndarray, bits: int,
    observer: RangeObserver, name: str,
) -> np.ndarray:  # fmt: skip
    """Returns `round_half_up(accumulator * mantissa / 2**(shift - exponent))`, saturated to `bits` bits: [T, R].

    accumulator: [T, R]. mantissa: [R] or [T, R], and shift: [R], are the row scales. exponent: [T], of the vectors.
    Where `shift - exponent` is below 0, it counts as 0, and `observer` counts it under `name` + ".shift".
    """
    by = shift - exponent[:, None]
    lost = int(np.count_nonzero(by < 0))
    if lost:
        observer.saturations[name + ".shift"] = observer.saturations.get(name + ".shift", 0) + lost
    y = round_shift(accumulator * mantissa, clip(by, 0, SHIFT_LIMIT))
    return observer.saturate(name, y, bits)


def row_scales(mantissa: np.ndarray, factor: np.ndarray | None, factor_bits: int) -> np.ndarray:
    """Returns the row mantissas [R] times the factor [T] of each vector, rounded: [T, R], or [R] without a factor.

    The factor has `factor_bits` fraction bits.
    """
    return mantissa if factor is None else round_shift(mantissa * factor[:, None], factor_bits)


def linear(
    matrix: Matrix,
    x: Block,
    in_frac: int,
    out_frac: int | np.ndarray,
    bits: int,
    n: Numerics,
    observer: RangeObserver,
    name: str,
) -> np.ndarray:
    """Multiplies vectors in block floating point [T, N] by `matrix`. Returns [T, R] of the format (bits, out_frac).

    in_frac: the input's value is `mantissa * factor * 2**(exponent - in_frac)`. The lowest `drop_bits` bits of every
    product are rounded away.
    """
    mantissa = row_scales(matrix.mantissa, x.factor, n.config.rsqrt_bits)
    shift = matrix.shift(in_frac, out_frac)
    product = round_shift(matmul(x.mantissas, matrix.columns), n.config.drop_bits) << n.config.drop_bits
    return requantize(product, mantissa, shift, x.exponent, bits, observer, name)
