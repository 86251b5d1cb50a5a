"""Digits of weights."""

import numpy as np

from hc1gen.fabric.digits import LARGEST, LIMIT, digits, magnitudes

EVERY = np.arange(-LIMIT, LIMIT + 1)


def test_every_weight_is_its_digits():
    low, high = digits(EVERY)
    assert (low + 8 * high == EVERY).all()
    assert max(np.abs(low).max(), np.abs(high).max()) <= LARGEST


def test_a_weight_of_three_bits_has_one_digit():
    assert not digits(np.arange(-4, 5))[1].any()


def test_magnitudes_count_digits_and_not_weights():
    """7 is 8 - 1: both digits are counted, the second one as negative."""
    largest, negative = magnitudes(np.array([[7, 0, 3], [-7, -4, 31], [3, -2, 0]]))
    assert largest.tolist() == [8 + 1 + 3, 8 + 1 + 4 + 32 + 1, 5]
    assert negative.tolist() == [1, 8 + 4 + 1, 2]
