"""Constant matrix-vector multiplication and what follows it: one multiply and one shift per row."""

import numpy as np

from ..numeric.numerics import Numerics
from ..quant.quantized import Matrix
from .arith import RangeObserver, clip, matmul, round_shift
from .blockfloat import Block

SHIFT_LIMIT = 60
"""Shifts beyond this give the same result (0): accumulator times mantissa is below 2**59."""


def requantize(
    accumulator: np.ndarray, mantissa: np.ndarray, shift: np.ndarray, exponent: np.ndarray, bits: int,
    observer: RangeObserver, name: str,
) -> np.ndarray:  # fmt: skip
    """Accumulators [T, R], row scale (mantissa [R] or [T, R], shift [R]), exponent [T] → [T, R] of `bits` bits.

    `round_half_up(accumulator * mantissa / 2**(shift - exponent))`, saturated; a shift below 0 counts as 0.
    """
    by = shift - exponent[:, None]
    lost = int(np.count_nonzero(by < 0))
    if lost:
        observer.saturations[name + ".shift"] = observer.saturations.get(name + ".shift", 0) + lost
    y = round_shift(accumulator * mantissa, clip(by, 0, SHIFT_LIMIT))
    return observer.saturate(name, y, bits)


def row_scales(mantissa: np.ndarray, factor: np.ndarray | None, factor_bits: int) -> np.ndarray:
    """Row mantissas [R] times the vectors' common factor [T], a fraction of `factor_bits`, rounded → [R] or [T, R]."""
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
    """Block floating point [T, N] through `matrix` → [T, R] of format (bits, out_frac)."""
    mantissa = row_scales(matrix.mantissa, x.factor, n.config.rsqrt_bits)
    shift = matrix.shift(in_frac, out_frac)
    product = round_shift(matmul(x.mantissas, matrix.columns), n.config.drop_bits) << n.config.drop_bits
    return requantize(product, mantissa, shift, x.exponent, bits, observer, name)
