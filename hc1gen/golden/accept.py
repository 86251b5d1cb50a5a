"""Speculative sampling without a divider (Leviathan, Kalman, Matias 2023; Chen et al. 2023).

Distributions are given as integer exponentials e and their sum Z: p = e_p / Z_p is the target's, q = e_q / Z_q the
draft's.
"""

import numpy as np

from ..numeric.numerics import RANDOM_BITS


def accept(random: int, e_p: int, z_p: int, e_q: int, z_q: int, bits: int = RANDOM_BITS) -> bool:
    """Whether the proposed token stays, with probability `min(1, p / q)`: `random / 2**bits < p / q`, strictly.

    A token with `e_p = 0` is never accepted, and one with `p >= q > 0` always.
    """
    return random * e_q * z_p < (e_p * z_q) << bits


def residual_distribution(e_p: np.ndarray, z_p: int, e_q: np.ndarray, z_q: int) -> np.ndarray:
    """`max(e_p * Z_q - e_q * Z_p, 0)` [V] as Python integers: what to draw from after a rejection.

    Every weight is at most `e_p * Z_q`, their sum at most `Z_p * Z_q`. The sum is not 0 where a token was rejected.
    """
    return np.maximum(e_p.astype(object) * int(z_q) - e_q.astype(object) * int(z_p), 0)
