"""Weights of more than 3 bits as signed digits in base 8. Every digit is added up like a weight of 3 bits.

Every digit that is not 0 costs about one full adder, so a weight of up to 6 bits costs one or two.
"""

import numpy as np

BASE_BITS = 3
LARGEST = 4
"""Largest magnitude of a digit."""
LIMIT = LARGEST << BASE_BITS
"""Largest magnitude of a weight, which has two digits."""


def digits(weights: np.ndarray) -> np.ndarray:
    """Returns the digits, int64 [.., 2, N], the low digit first, of integers [.., N] of magnitude up to LIMIT.

    A weight of magnitude up to LARGEST has a high digit of 0.
    """
    weights = weights.astype(np.int64)
    low = (weights + LARGEST & (1 << BASE_BITS) - 1) - LARGEST
    low = np.where(np.abs(weights) <= LARGEST, weights, low)
    return np.stack([low, weights - low >> BASE_BITS], axis=-2)


def magnitudes(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns two sums over the digits of each row of integers [R, N], int64 [R] each.

    The first is the sum of the magnitudes of all digits, each with the weight of its place. The second is the same sum
    over the negative digits only.
    """
    worth = digits(weights) << BASE_BITS * np.arange(2)[:, None]
    return np.abs(worth).sum(axis=(-2, -1)), -np.minimum(worth, 0).sum(axis=(-2, -1))
