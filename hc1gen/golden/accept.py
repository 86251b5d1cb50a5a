"""Speculative sampling without a divider (Leviathan, Kalman, Matias 2023; Chen et al. 2023).

A distribution is given by its integer exponentials e and their sum Z. p = e_p / Z_p is the target's distribution, and
q = e_q / Z_q is the draft's.
"""

import numpy as np

from ..numeric.numerics import RANDOM_BITS


def accept(random: int, e_p: int, z_p: int, e_q: int, z_q: int, bits: int = RANDOM_BITS) -> bool:
    """Returns whether the target accepts the proposed token: `random / 2**bits < p / q`, a strict comparison.

    random: a random number of `bits` bits. The probability to accept is `min(1, p / q)`, up to a rounding of 2**-bits.
    A token with `e_p = 0` is never accepted, and a token with `p >= q > 0` is always accepted.
    """
    return random * e_q * z_p < (e_p * z_q) << bits


def residual_distribution(e_p: np.ndarray, z_p: int, e_q: np.ndarray, z_q: int) -> np.ndarray:
    """Returns the residual distribution, which the token after a rejection is drawn from: weights [V].

    The weights are `max(e_p * Z_q - e_q * Z_p, 0)`, as Python integers in an object array. Every weight is at most
    `e_p * Z_q`, and their sum is at most `Z_p * Z_q`. After a rejection the sum is above 0.
    """
    return np.maximum(e_p.astype(object) * int(z_q) - e_q.astype(object) * int(z_p), 0)
