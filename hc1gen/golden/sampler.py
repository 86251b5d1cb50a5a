"""Choosing a token from logits: the largest, or a draw in proportion to integer exponentials, without a divider."""

import numpy as np

from ..numeric.numerics import LOG2E, LOG2E_FRAC, RANDOM_BITS, SLOPE_BITS, SLOPE_FRAC, TEMPERATURE_FRAC, Numerics
from .arith import bit_length, round_shift
from .norm import cut_mantissa


def argmax(logits: np.ndarray) -> int:
    """Index of the largest logit of [V]; the lowest index wins a tie."""
    return int(np.argmax(logits))


def slope(temperature: int, n: Numerics) -> int:
    """`log2(e) / temperature`: `temperature >= 1` with TEMPERATURE_FRAC fraction bits → SLOPE_FRAC fraction bits.

    The mantissa's reciprocal is looked up, as 1/Z in attention is. Temperatures below about 0.045 count as that: the
    result saturates at SLOPE_BITS.
    """
    t = np.array([temperature], np.int64)
    top = bit_length(t) - 1
    reciprocal = n.tables.recip(cut_mantissa(t, top, n.config.mantissa_bits))
    drop = LOG2E_FRAC + n.config.recip_bits - SLOPE_FRAC - TEMPERATURE_FRAC
    return min(int(round_shift(reciprocal * LOG2E, drop + top)[0]), (1 << SLOPE_BITS) - 1)


def exponentials(logits: np.ndarray, slope: int, n: Numerics) -> np.ndarray:
    """Logits [V] → e [V], `2**(slope * (logit - largest))` as `sample_bits` unsigned integers, rounded half up."""
    c = n.config
    below = (logits.max() - logits) * slope
    below = round_shift(below << max(-n.sample_drop, 0), max(n.sample_drop, 0))
    whole, fraction = below >> c.sample_frac, below & ((1 << c.sample_frac) - 1)
    return round_shift(n.tables.exponential(fraction), np.minimum(whole, c.sample_bits + 1))


def draw(weights: np.ndarray, random: int, bits: int = RANDOM_BITS) -> int:
    """The first index at which the running sum of `weights` [V] exceeds `random * total / 2**bits`, rounded down.

    Over all `random` of `bits` bits, the count of every index differs by less than 1 from `2**bits * weight / total`,
    and a weight of 0 is never drawn. `total > 0`.
    """
    running = np.cumsum(weights)
    return int(np.searchsorted(running, random * int(running[-1]) >> bits, side="right"))
