"""SwiGLU (Shazeer 2020): silu(gate) * up."""

import numpy as np

from ..numeric.numerics import Numerics
from .arith import round_shift


def silu(gate: np.ndarray, n: Numerics) -> np.ndarray:
    """`x * sigmoid(x)` in the gate's own format, as `max(x, 0) - tail(|x|)`; the tail is 0 from 16 on."""
    magnitude = np.abs(gate)
    table = n.tables.silu_tail
    inside = magnitude < 1 << table.in_bits
    tail = np.where(inside, table(np.where(inside, magnitude, 0)), 0)
    return np.maximum(gate, 0) - tail


def swiglu(gate: np.ndarray, up: np.ndarray, n: Numerics) -> np.ndarray:
    """Gates [T, I] and ups [T, I] → intermediate values [T, I] of `intermediate_bits`."""
    return round_shift(silu(gate, n) * up, n.intermediate_drop)
