"""Constant matrix-vector multiplication and what follows it: one multiply and one shift per row."""

import numpy as np

from ..quant.quantized import Matrix
from .arith import Meter, clip, matmul, round_shift

SHIFT_LIMIT = 60
"""Shifts beyond this give the same result (0): accumulator times mantissa is below 2**59."""


def requantize(
    accumulator: np.ndarray, mantissa: np.ndarray, shift: np.ndarray, exponent: np.ndarray, bits: int,
    meter: Meter, name: str,
) -> np.ndarray:  # fmt: skip
    """Accumulators [T, R], row scale (mantissa [R], shift [R]), exponent [T] → [T, R] of `bits` bits.

    `round_half_up(accumulator * mantissa / 2**(shift - exponent))`, saturated; a shift below 0 counts as 0.
    """
    by = shift - exponent[:, None]
    lost = int(np.count_nonzero(by < 0))
    if lost:
        meter.saturations[name + ".shift"] = meter.saturations.get(name + ".shift", 0) + lost
    y = round_shift(accumulator * mantissa, clip(by, 0, SHIFT_LIMIT))
    return meter.saturate(name, y, bits)


def linear(
    matrix: Matrix, x: tuple[np.ndarray, np.ndarray], in_frac: int, out_frac: int | np.ndarray, bits: int,
    meter: Meter, name: str,
) -> np.ndarray:  # fmt: skip
    """Block floating point (mantissas [T, N], exponent [T]) through `matrix` → [T, R] of format (bits, out_frac)."""
    mantissas, exponent = x
    accumulator = matmul(mantissas, matrix.columns)
    return requantize(accumulator, matrix.mantissa, matrix.shift(in_frac, out_frac), exponent, bits, meter, name)
