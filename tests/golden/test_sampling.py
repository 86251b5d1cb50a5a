"""Random numbers, temperature, exponentials and draws of the golden model against what they stand for."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shapes import numerics

from hc1gen.golden.sampler import draw, exponentials, slope
from hc1gen.golden.threefry import WORD, Stream, threefry
from hc1gen.numeric.numerics import SLOPE_BITS, SLOPE_FRAC, TEMPERATURE_BITS, TEMPERATURE_FRAC

N = numerics()
STEEPEST = (1 << SLOPE_BITS) - 1
SLOPE_ERROR = 2**-10.8
"""Relative: the reciprocal's error; half a unit of rounding comes on top."""
EXPONENTIAL_ERROR = 4.13
"""In units of the last bit, of the table: one is rounding, the rest the bend of the chords."""


# Threefry -------------------------------------------------------------------------------------------------------------
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((WORD, WORD), (WORD, WORD), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
"""Key, counter, words: the known answers of Random123, its authors' library."""


@pytest.mark.parametrize(("key", "counter", "words"), KNOWN)
def test_known_answers(key, counter, words):
    assert threefry(key, counter) == words


def test_streams_of_a_seed():
    """The seed's low word is the key's first; position and model are the counter."""
    seed = 0x03707344_13198A2E
    for which in (0, 1):
        assert Stream(seed, which).at(0x243F6A88) == threefry((0x13198A2E, 0x03707344), (0x243F6A88, which))
    words = [word for which in (0, 1) for position in range(1000) for word in Stream(seed, which).at(position)]
    assert len(set(words)) == len(words)
    assert abs(np.mean(words) / 2**32 - 0.5) < 0.02  # the deviation of 4000 uniform numbers' mean is 0.0046


# Temperature ----------------------------------------------------------------------------------------------------------
def test_slope_at_every_temperature():
    temperatures = np.arange(1, 1 << TEMPERATURE_BITS)
    got = np.array([slope(int(t), N) for t in temperatures])
    exact = np.log2(np.e) / (temperatures * 2.0**-TEMPERATURE_FRAC) * (1 << SLOPE_FRAC)
    saturated = got == STEEPEST
    error = ((np.abs(got - exact) - 0.5) / exact)[~saturated].max()
    assert SLOPE_ERROR * 0.9 < error <= SLOPE_ERROR
    assert (exact * (1 + SLOPE_ERROR) + 0.5 >= STEEPEST)[saturated].all()


def test_temperatures_below_a_limit_count_as_that():
    """The limit that the documentation names."""
    lowest = min(t for t in range(1, 1 << TEMPERATURE_BITS) if slope(t, N) < STEEPEST)
    assert lowest / (1 << TEMPERATURE_FRAC) == pytest.approx(0.045, abs=0.001)


# Exponentials ---------------------------------------------------------------------------------------------------------
LOGITS = hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(-(2**15), 2**15 - 1))


def test_exponential_table():
    """At every argument."""
    x = np.arange(1 << N.config.sample_frac)
    error = np.abs(N.tables.exponential(x) - 2.0 ** (-x / len(x)) * (1 << N.config.sample_bits)).max()
    assert EXPONENTIAL_ERROR - 0.1 < error <= EXPONENTIAL_ERROR


@given(LOGITS, st.integers(0, 2000) | st.integers(0, STEEPEST))
def test_exponentials(logits, steepness):
    """The distance rounded to half a unit of its fraction, the table's error, and half a bit of the shift behind it."""
    c = N.config
    e = exponentials(logits, steepness, N)
    powers = (logits.max() - logits) * steepness * 2.0 ** -(N.formats.logit_frac + SLOPE_FRAC)
    exact = 2.0**-powers * (1 << c.sample_bits)
    half_unit = 2.0 ** -(c.sample_frac + 1)
    table = EXPONENTIAL_ERROR * 2.0 ** -np.floor(np.maximum(powers - half_unit, 0))
    shift = np.where(powers + half_unit < 1, 0, 0.5)
    assert (np.abs(e - exact) <= exact * (2**half_unit - 1) + table + shift).all()
    assert e.max() == (1 << c.sample_bits) - 1
    assert e[logits == logits.max()].min() == e.max()


def test_exponentials_at_the_ends():
    """Furthest apart at the steepest slope there is nothing left, at slope 0 all are alike."""
    logits = np.array([-(2**15), 2**15 - 1])
    assert exponentials(logits, STEEPEST, N).tolist() == [0, 65535]
    assert exponentials(logits, 0, N).tolist() == [65535, 65535]


# Draw -----------------------------------------------------------------------------------------------------------------
WEIGHTS = st.lists(st.integers(0, 9) | st.integers(0, 2**41), min_size=1, max_size=9)


@given(WEIGHTS, st.integers(1, 8))
def test_draw_counts_every_token(weights, bits):
    """Over every random number: nobody's share is off by 1, and a weight of 0 is never drawn."""
    total = sum(weights)
    assume(total)
    drawn = [draw(np.array(weights), random, bits) for random in range(1 << bits)]
    counts = np.bincount(drawn, minlength=len(weights))
    assert len(counts) == len(weights)
    for count, weight in zip(counts, weights, strict=True):
        assert abs(int(count) - Fraction(weight << bits, total)) < 1
        assert weight or not count
    assert drawn == sorted(drawn)


@given(WEIGHTS, st.integers(0, WORD))
def test_draw(weights, random):
    """The definition, with exact integers."""
    assume(sum(weights))
    threshold = random * sum(weights) >> 32
    expected = next(i for i in range(len(weights)) if sum(weights[: i + 1]) > threshold)
    assert draw(np.array(weights), random) == expected
    assert draw(np.array(weights, object), random) == expected


def test_draw_at_both_ends():
    weights = np.array([0, 0, 5, 0, 7, 0])
    assert (draw(weights, 0), draw(weights, WORD)) == (2, 4)
