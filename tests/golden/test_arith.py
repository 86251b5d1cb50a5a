"""The roundings of the golden model against exact rational arithmetic."""

from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hc1gen.golden.arith import bit_length, bit_length_exact, matmul, round_shift
from hc1gen.golden.norm import cut_mantissa
from hc1gen.golden.observer import RangeObserver

WORDS = st.integers(-(2**61), 2**61)


@given(WORDS, st.integers(0, 61))
def test_round_shift_rounds_half_up(x, shift):
    assert int(round_shift(np.int64(x), shift)) == floor(Fraction(x, 2**shift) + Fraction(1, 2))


@given(st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 50)), min_size=1))
def test_round_shift_is_elementwise(pairs):
    x, shift = np.array(pairs).T
    assert round_shift(x, shift).tolist() == [int(round_shift(np.int64(a), s)) for a, s in pairs]


def test_halves_round_up():
    assert round_shift(np.array([-6, -5, -3, -2, -1, 1, 2, 3, 5, 6]), 2).tolist() == [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2]


@given(st.integers(0, 2**53))
def test_bit_length(x):
    assert int(bit_length(np.array(x))) == x.bit_length()


@given(st.integers(0, 2**62))
def test_bit_length_exact(x):
    assert int(bit_length_exact(np.array(x))) == x.bit_length()


def test_bit_length_at_powers_of_two():
    for p in range(62):
        for x in (2**p - 1, 2**p, 2**p + 1):
            assert int(bit_length_exact(np.array(x))) == x.bit_length()


@given(st.integers(1, 2**50), st.integers(1, 12))
def test_cut_mantissa(v, bits):
    top = v.bit_length() - 1
    cut = int(cut_mantissa(np.array(v), np.array(top), bits))
    assert cut == floor((Fraction(v, 2**top) - 1) * 2**bits)


def test_matmul_is_exact():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-(2**20), 2**20, (5, 300)), rng.integers(-(2**20), 2**20, (300, 7))
    assert (matmul(a, b) == a @ b).all()


def test_saturations_are_clipped_and_counted_by_name():
    observer = RangeObserver()
    x = np.array([[-9, -8, 0], [7, 8, 100]])
    assert observer.saturate("a", x, 4).tolist() == [[-8, -8, 0], [7, 7, 7]]
    assert observer.saturate("b", x, 8).tolist() == x.tolist()
    observer.saturate("a", np.array([[8]]), 4)
    assert observer.saturations == {"a": 4}
    assert observer.peaks == {}


def test_peaks_are_largest_magnitudes_of_each_channel():
    observer = RangeObserver(keep_peaks=True)
    observer.saturate("a", np.array([[1, -5, 0], [-2, 3, 0]]), 4)
    observer.saturate("a", np.array([[0, 4, -9]]), 4)
    assert observer.peaks["a"].tolist() == [2, 5, 9]
