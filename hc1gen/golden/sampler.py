"""Chooses a token from logits: the most likely one, or a draw in proportion to integer exponentials.

No step needs a divider.
"""

import numpy as np

from ..numeric.numerics import LOG2E, LOG2E_FRAC, RANDOM_BITS, SLOPE_BITS, SLOPE_FRAC, TEMPERATURE_FRAC, Numerics
from .arith import bit_length, round_shift
from .norm import cut_mantissa


def argmax(logits: np.ndarray) -> int:
    """Returns the index of the largest of the logits [V]; of equal logits, the lowest index."""
    return int(np.argmax(logits))


def slope(temperature: int, n: Numerics) -> int:
    """Returns the slope `log2(e) / temperature` with SLOPE_FRAC fraction bits, saturated to SLOPE_BITS bits.

    temperature: an integer of at least 1, with TEMPERATURE_FRAC fraction bits. The reciprocal of its mantissa comes
    from the same table as 1/Z in attention. Because of the saturation, temperatures below about 0.045 act like 0.045.
    """
    t = np.array([temperature], np.int64)
    top = bit_length(t) - 1
    reciprocal = n.tables.recip(cut_mantissa(t, top, n.config.mantissa_bits))
    drop = LOG2E_FRAC + n.config.recip_bits - SLOPE_FRAC - TEMPERATURE_FRAC
    return min(int(round_shift(reciprocal * LOG2E, drop + top)[0]), (1 << SLOPE_BITS) - 1)


def exponentials(logits: np.ndarray, slope: int, n: Numerics) -> np.ndarray:
    """Returns the exponentials e [V] of logits [V], `2**(slope * (logit - largest logit))`, rounded half up.

    They have `sample_bits` bits, unsigned. slope: SLOPE_FRAC fraction bits.
    """
    c = n.config
    below = (logits.max() - logits) * slope
    below = round_shift(below << max(-n.sample_drop, 0), max(n.sample_drop, 0))
    whole, fraction = below >> c.sample_frac, below & ((1 << c.sample_frac) - 1)
    return round_shift(n.tables.exponential(fraction), np.minimum(whole, c.sample_bits + 1))


def draw(weights: np.ndarray, random: int, bits: int = RANDOM_BITS) -> int:
    """Returns the first index at which the running sum of `weights` [V] exceeds `random * total / 2**bits`.

    The threshold is rounded down. The total of the weights must be above 0. Over all random numbers of `bits` bits,
    every index is drawn `2**bits * weight / total` times, with an error of less than 1. A weight of 0 is never drawn.
    """
    running = np.cumsum(weights)
    return int(np.searchsorted(running, random * int(running[-1]) >> bits, side="right"))
