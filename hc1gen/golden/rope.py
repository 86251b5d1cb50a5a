"""Rotary position embedding (Su et al. 2021), Hugging Face half-split convention."""

import numpy as np

from ..numeric.numerics import Numerics
from .arith import RangeObserver, round_shift


def angles(positions: np.ndarray, n: Numerics) -> tuple[np.ndarray, np.ndarray]:
    """Positions [T] → (cos, sin) [T, head_dim / 2], signed, `angle_bits` fraction bits."""
    phase = positions[:, None] * np.array(n.frequency_steps) & ((1 << n.config.phase_bits) - 1)
    turn = phase >> (n.config.phase_bits - n.config.quarter_bits - 2)
    return sine(turn + (1 << n.config.quarter_bits), n), sine(turn, n)


def sine(turn: np.ndarray, n: Numerics) -> np.ndarray:
    """Fraction of a turn, `quarter_bits + 2` bits (others ignored) → sine; falling quarters mirror by complement."""
    quarter = (turn >> n.config.quarter_bits) & 3
    within = turn & ((1 << n.config.quarter_bits) - 1)
    magnitude = n.tables.sine(np.where(quarter & 1, within ^ ((1 << n.config.quarter_bits) - 1), within))
    return np.where(quarter & 2, -magnitude, magnitude)


def rotate(
    x: np.ndarray, cos: np.ndarray, sin: np.ndarray, bits: int, n: Numerics, observer: RangeObserver, name: str
) -> np.ndarray:
    """Heads [T, H, head_dim] of `qkv_bits` → rotated, of `bits` bits: `qkv_bits - bits` low bits are rounded off."""
    a, b = np.split(x, 2, axis=-1)
    cos, sin = cos[:, None, :], sin[:, None, :]
    turned = np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    return observer.saturate(name, round_shift(turned, n.config.angle_bits + n.config.qkv_bits - bits), bits)
