"""The integer arithmetic of the chip: the one definition of each rounding. All arrays are int64."""

import numpy as np


def round_shift(x: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Returns `x / 2**shift`, rounded half up. An array `shift` applies elementwise; every shift is at least 0."""
    half = (1 << shift >> 1) if isinstance(shift, int) else (np.left_shift(1, shift) >> 1)
    return (x + half) >> shift


def clip(x: np.ndarray, low: int, high: int) -> np.ndarray:
    """Returns `x` clipped to low..high. On the small arrays of one token it is several times as fast as `np.clip`."""
    return np.minimum(np.maximum(x, low), high)


def bit_length(x: np.ndarray) -> np.ndarray:
    """Returns the bit length of every `x >= 0` (0 for 0, 1 for 1, 2 for 2 and 3, ...). It is exact below 2**53."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def bit_length_exact(v: np.ndarray) -> np.ndarray:
    """Returns the bit length of every `v >= 0` up to 2**62.

    A value of 2**53 and more is split: the result comes from its high part or, where that is 0, from its low 31 bits.
    """
    if v.max() < 1 << 53:
        return bit_length(v)
    high = v >> 31
    return np.where(high > 0, bit_length(high) + 31, bit_length(v & ((1 << 31) - 1)))


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the exact product of two integer matrices as int64; `b` holds integers as float64.

    float64 holds every sum below 2**53 exactly, so the order of the additions does not matter.
    """
    return (a.astype(np.float64) @ b).astype(np.int64)
