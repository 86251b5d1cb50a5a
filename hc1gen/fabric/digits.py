"""Weights of more than 3 bits as signed digits in base 8: every digit is added up as a weight of 3 bits is.

A full adder counts a bit for every digit that is not 0, so that a weight of up to 6 bits takes one or two of them.
"""

import numpy as np

BASE_BITS = 3
LARGEST = 4
"""Magnitude of a digit."""
LIMIT = LARGEST << BASE_BITS
"""A weight has a magnitude of at most this in two digits."""


def digits(weights: np.ndarray) -> np.ndarray:
    """Integers [.., N] of magnitude up to LIMIT → int64 [.., 2, N], lowest digit first: no second one up to LARGEST."""
    weights = weights.astype(np.int64)
    low = (weights + LARGEST & (1 << BASE_BITS) - 1) - LARGEST
    low = np.where(np.abs(weights) <= LARGEST, weights, low)
    return np.stack([low, weights - low >> BASE_BITS], axis=-2)


def magnitudes(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers [R, N] → int64 [R] each: sum of what its digits count, and of what those below zero do."""
    worth = digits(weights) << BASE_BITS * np.arange(2)[:, None]
    return np.abs(worth).sum(axis=(-2, -1)), -np.minimum(worth, 0).sum(axis=(-2, -1))
