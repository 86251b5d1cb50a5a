"""Rotary position embedding, RoPE (Su et al. 2021), in the half-split convention of Hugging Face."""

import numpy as np

from ..numeric.numerics import Numerics
from .arith import round_shift
from .observer import RangeObserver


def angles(positions: np.ndarray, n: Numerics) -> tuple[np.ndarray, np.ndarray]:
    """Returns (cos, sin) of the angles at positions [T]: each [T, head_dim / 2], signed, `angle_bits` fraction bits."""
    phase = positions[:, None] * np.array(n.frequency_steps) & ((1 << n.config.phase_bits) - 1)
    turn = phase >> (n.config.phase_bits - n.config.quarter_bits - 2)
    return sine(turn + (1 << n.config.quarter_bits), n), sine(turn, n)


def sine(turn: np.ndarray, n: Numerics) -> np.ndarray:
    """Returns the sine of an angle, signed with `angle_bits` fraction bits.

    turn: a fraction of a turn with `quarter_bits + 2` bits; higher bits are ignored. The table holds one quarter. In a
    quarter in which the magnitude falls, the angle is mirrored by a bitwise complement.
    """
    quarter = (turn >> n.config.quarter_bits) & 3
    within = turn & ((1 << n.config.quarter_bits) - 1)
    magnitude = n.tables.sine(np.where(quarter & 1, within ^ ((1 << n.config.quarter_bits) - 1), within))
    return np.where(quarter & 2, -magnitude, magnitude)


def rotate(
    x: np.ndarray, cos: np.ndarray, sin: np.ndarray, bits: int, n: Numerics, observer: RangeObserver, name: str
) -> np.ndarray:
    """Rotates heads [T, H, head_dim] of `qkv_bits` bits. Returns the same shape with `bits` bits, saturated.

    The lowest `qkv_bits - bits` bits are rounded away.
    """
    a, b = np.split(x, 2, axis=-1)
    cos, sin = cos[:, None, :], sin[:, None, :]
    turned = np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    return observer.saturate(name, round_shift(turned, n.config.angle_bits + n.config.qkv_bits - bits), bits)
