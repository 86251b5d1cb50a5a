"""SwiGLU (Shazeer 2020): silu(gate) * up."""

import numpy as np

from ..numeric.numerics import Numerics
from .arith import round_shift


def silu(gate: np.ndarray, n: Numerics) -> np.ndarray:
    """Returns silu(x) = x * sigmoid(x) of gates x in their own format, computed as `max(x, 0) - tail(|x|)`.

    The tail comes from a table. The table ends at |x| = 2**silu_range, and from there on the tail is 0.
    """
    magnitude = np.abs(gate)
    table = n.tables.silu_tail
    inside = magnitude < 1 << table.in_bits
    tail = np.where(inside, table(np.where(inside, magnitude, 0)), 0)
    return np.maximum(gate, 0) - tail


def swiglu(gate: np.ndarray, up: np.ndarray, n: Numerics) -> np.ndarray:
    """Returns the intermediate vectors silu(gate) * up [T, I] of `intermediate_bits` bits. gate, up: [T, I]."""
    return round_shift(silu(gate, n) * up, n.intermediate_drop)
