"""Block floating point: a vector becomes int8 mantissas under one power-of-two exponent."""

import numpy as np

from .arith import bit_length_exact, clip, round_shift


def block_float(x: np.ndarray, act_bits: int, factor: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [T, N], optional factor [T] >= 0 → (mantissas [T, N], shift [T]), `x * factor ≈ mantissa * 2**shift`.

    The shift is the smallest >= 0 that brings the largest magnitude below `2**(act_bits - 1)`; rounding half up may
    reach that bound, which saturates to the largest mantissa. Mantissas are symmetric: never `-2**(act_bits - 1)`.
    """
    magnitude = np.abs(x).max(axis=-1)
    if factor is not None:
        x, magnitude = x * factor[:, None], magnitude * factor
    shift = np.maximum(bit_length_exact(magnitude) - (act_bits - 1), 0)
    limit = (1 << (act_bits - 1)) - 1
    return clip(round_shift(x, shift[:, None]), -limit, limit), shift
