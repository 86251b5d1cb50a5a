"""The golden model's blocks against the same functions in exact or floating-point arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shapes import numerics

from hc1gen.golden.arith import round_shift
from hc1gen.golden.attention import attend, normalise, probabilities
from hc1gen.golden.blockfloat import block_float
from hc1gen.golden.cmvm import requantize, row_scales
from hc1gen.golden.norm import inverse_sqrt, rms_norm
from hc1gen.golden.observer import RangeObserver
from hc1gen.golden.rope import angles, rotate
from hc1gen.golden.sampler import argmax
from hc1gen.golden.swiglu import silu, swiglu

N = numerics()
INVERSE_SQRT_ERROR = 2**-10.8
"""Relative; the table's mantissa has 12 bits, its argument is cut to 12."""
NORM_ERROR = 2**-9.5
"""Relative: the table's, and that of squares of 12 bits."""
RECIPROCAL_ERROR = 2**-10.5
"""Relative."""
SILU_ERROR = 2.44 * 2**-9
"""Absolute."""


# Block floating point -------------------------------------------------------------------------------------------------
vectors = hnp.arrays(np.int64, st.tuples(st.just(1), st.integers(1, 9)), elements=st.integers(-(2**20), 2**20))


@given(vectors, st.integers(4, 12))
def test_block_float(x, bits):
    """The smallest exponent at which all fits, and no mantissa further than half a step from its value."""
    mantissas, exponent, factor = block_float(x, bits)
    limit, s = (1 << (bits - 1)) - 1, int(exponent[0])

    def fits(shift: int) -> bool:
        return bool((x >> shift >= -limit - 1).all() and (x >> shift <= limit).all())

    assert factor is None
    assert fits(s) and (s == 0 or not fits(s - 1))
    assert np.abs(mantissas).max() <= limit
    error = np.abs((mantissas[0] << s) - x[0]) * 2
    clipped = np.abs(round_shift(x[0], s)) > limit
    assert (error <= np.where(clipped, 2 << s, 1 << s)).all()


def test_block_float_saturates_what_rounds_to_the_limit():
    for x, mantissas, exponent in (
        ([255, -255, -256, 1], [127, -127, -127, 1], 1),
        ([-128, 127], [-127, 127], 0),
        ([-129], [-64], 1),
        ([0, 0], [0, 0], 0),
    ):
        got = block_float(np.array([x]), 8)
        assert (got.mantissas.tolist(), got.exponent.tolist()) == ([mantissas], [exponent])


def test_each_vector_has_its_own_exponent():
    assert block_float(np.array([[1, 2], [1000, 3], [127, -127], [0, 0]]), 8).exponent.tolist() == [0, 3, 0, 0]


# RMSNorm --------------------------------------------------------------------------------------------------------------
@given(st.integers(1, 2**60))
def test_inverse_sqrt(v):
    mantissa, k = inverse_sqrt(np.array([v]), N)
    assert 1 << 11 <= mantissa[0] < 1 << 12
    got = mantissa[0] * 2.0 ** (-N.config.rsqrt_bits - k[0])
    assert abs(got * np.sqrt(float(v)) - 1) < INVERSE_SQRT_ERROR


def test_inverse_sqrt_of_every_mantissa():
    """Both octaves, every argument the table can see, and small sums one by one."""
    v = np.concatenate([np.arange(1, 1 << 14), np.arange(1 << 20, 1 << 22, 1 << 8)])
    mantissa, k = inverse_sqrt(v, N)
    relative = mantissa * 2.0 ** (-N.config.rsqrt_bits - k) * np.sqrt(v) - 1
    assert 2**-11.5 < np.abs(relative).max() < INVERSE_SQRT_ERROR


@pytest.mark.parametrize("size", [1.0, 30.0, 5000.0])
def test_rms_norm(size):
    """Against floating point, with the epsilon; a mantissa's last bit and the table's error apart."""
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(20, 64)) * size).astype(np.int64)
    gain = rng.integers(-511, 512, 64)
    mantissas, exponent, factor = rms_norm(x, gain, N)
    real = x * 2.0**-N.config.residual_frac
    exact = gain * real / np.sqrt((real**2).sum(axis=1) + 64 * N.model.rms_eps)[:, None]
    step = (factor * 2.0 ** (exponent - N.config.rsqrt_bits - N.norm_in_frac(0)))[:, None]
    limit = (1 << (N.config.act_bits - 1)) - 1
    saturated, bound = np.abs(mantissas) == limit, 0.55 * step + np.abs(exact) * NORM_ERROR
    assert (np.abs(mantissas * step - exact) <= bound)[~saturated].all()
    assert (np.abs(exact) >= limit * step - bound)[saturated].all()


@pytest.mark.parametrize("gain", [127, 64, 63, -128, -65, -64])
def test_norm_with_one_gain_for_all_saturates_nothing(gain):
    """Whatever the gain's place in its range, the largest elements keep their proportions."""
    n = numerics(residual_bits=13, gain_bits=8, norm_bits=10)
    x = np.arange(64)[None] * 63
    mantissas = rms_norm(x, np.full(64, gain), n).mantissas[0]
    assert np.abs(mantissas - mantissas[63] * np.arange(64) / 63).max() < 1.1
    assert 32 <= abs(mantissas[63]) <= 127


def test_norm_of_zero_is_zero():
    mantissas, exponent, factor = rms_norm(np.zeros((1, 64), np.int64), np.full(64, 511), N)
    assert not mantissas.any()
    assert factor[0] > 0 and exponent[0] == -(((N.epsilons[0] + 64).bit_length() - 1) // 2)


@given(hnp.arrays(np.int64, (1, 64), elements=st.integers(-(2**12), 2**12 - 1)))
def test_norm_exponents(x):
    """What `norm_exponents` promises to the requantiser: largest at zero, smallest where all is at its largest."""
    for n in (numerics(residual_bits=13), numerics(residual_bits=13, norm_bits=8, square_bits=4)):
        assert int(rms_norm(x, np.ones(64, np.int64), n).exponent[0]) in n.norm_exponents
        extremes = rms_norm(np.array([[0] * 64, [1] + 63 * [0], [-(2**12)] * 64]), np.ones(64, np.int64), n).exponent
        assert all(int(e) in n.norm_exponents for e in extremes)


# Requantisation -------------------------------------------------------------------------------------------------------
@given(
    st.integers(-(2**28), 2**28), st.integers(2**15, 2**16 - 1), st.integers(-20, 100), st.integers(-40, 40),
    st.integers(4, 40),
)  # fmt: skip
def test_requantize(accumulator, mantissa, shift, exponent, bits):
    observer = RangeObserver()
    y = requantize(np.array([[accumulator]]), np.array([mantissa]), np.array([shift]), np.array([exponent]), bits,
                   observer, "y").item()  # fmt: skip
    by = shift - exponent
    exact = (Fraction(accumulator * mantissa, 2 ** max(by, 0)) + Fraction(1, 2)).__floor__()
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    assert y == min(max(exact, low), high)
    assert observer.saturations.get("y", 0) == (not low <= exact <= high)
    assert observer.saturations.get("y.shift", 0) == (by < 0)


def test_row_scales():
    """A factor is a fraction: the largest leaves a mantissa all but as it is, the smallest halves it."""
    mantissas, factors = np.array([128, 200, 255]), np.array([255, 128])
    assert row_scales(mantissas, factors, 8).tolist() == [[128, 199, 254], [64, 100, 128]]
    assert row_scales(mantissas, None, 8) is mantissas


# RoPE -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("head_dim", [2, 8, 64])
@pytest.mark.parametrize("context", [16, 4096])
def test_angles(head_dim, context):
    """The table's error, the rounded step times the position, and the angle cut to 16 bits."""
    n = numerics(context, shape={"head_dim": head_dim})
    positions = np.arange(context)
    half = head_dim // 2
    exact = positions[:, None] * 10000.0 ** (-np.arange(half) / half)
    turns = positions[:, None] * 2.0 ** (-n.config.phase_bits - 1) + 2.0**-16
    bound = 2.3 + turns * 2 * np.pi * 4096
    cos, sin = angles(positions, n)
    assert cos.shape == sin.shape == (context, half)
    assert (np.abs(cos - np.cos(exact) * 4096) <= bound).all()
    assert (np.abs(sin - np.sin(exact) * 4096) <= bound).all()


def test_position_zero_does_not_turn():
    n = numerics(residual_bits=20)
    cos, sin = angles(np.array([0]), n)
    assert (cos == 4095).all() and (sin == 0).all()


def test_rotation_is_hugging_face_half_split():
    """Element i turns with element i + head_dim / 2, by the angle of frequency i."""
    rng = np.random.default_rng(0)
    x = rng.integers(-1000, 1000, (6, 3, 8))
    positions = np.array([0, 1, 2, 50, 300, 511])
    y = rotate(x, *angles(positions, N), 12, N, RangeObserver(), "y")
    angle = positions[:, None] * 10000.0 ** (-np.arange(4) / 4)
    cos, sin = (np.concatenate([f(angle)] * 2, axis=1)[:, None] for f in (np.cos, np.sin))
    exact = x * cos + np.concatenate([-x[..., 4:], x[..., :4]], axis=-1) * sin
    assert np.abs(y - exact).max() < 0.5 + 2 * 1000 * 3.5 / 4096


def test_rotation_saturates_and_counts():
    x = np.full((1, 1, 8), 2047)
    observer = RangeObserver()
    y = rotate(x, np.full((1, 4), 2896), np.full((1, 4), 2896), 8, N, observer, "key")
    assert y[0, 0].tolist() == [0] * 4 + [127] * 4
    assert observer.saturations == {"key": 4}


# Attention ------------------------------------------------------------------------------------------------------------
scores_of = hnp.arrays(np.int64, st.tuples(st.just(1), st.integers(1, 40)), elements=st.integers(-(2**15), 2**15))


@given(scores_of)
def test_probabilities(scores):
    """Each within 1.1 of its 4095; the largest is the largest a probability can be."""
    visible = np.ones_like(scores, bool)
    p = probabilities(scores, visible, N)
    exact = 2.0 ** ((scores - scores.max()) * 2.0**-N.config.score_frac) * 4096
    assert np.abs(p - exact).max() < 1.1
    assert p.max() == 4095


@given(scores_of, st.integers(0, 2**31))
def test_softmax(scores, seed):
    """`normalise` divides within its reciprocal's error and two roundings; the whole is softmax within 1.1 a weight."""
    values = np.random.default_rng(seed).integers(-127, 128, (scores.shape[1], 4))
    p = probabilities(scores, np.ones_like(scores, bool), N)
    total, mixed = p.sum(axis=-1), p @ values
    got = normalise(mixed, total, N)
    quotient = mixed / total[:, None] * 64
    assert (np.abs(got - quotient) <= 0.8 + np.abs(quotient) * RECIPROCAL_ERROR).all()
    assert (np.abs(got) < 1 << (N.attention_bits - 1)).all()
    exact = 2.0 ** ((scores - scores.max()) * 2.0**-N.config.score_frac)
    softmax = exact / exact.sum()
    bound = 0.8 + 128 * 64 * (RECIPROCAL_ERROR + 2 * 1.1 * scores.shape[1] / 4096 / exact.sum())
    assert np.abs(got - softmax @ values * 64).max() <= bound


def test_query_sees_nothing_behind_it():
    rng = np.random.default_rng(0)
    keys, values = rng.integers(-127, 128, (2, 6, 4, 8))
    q = rng.integers(-2047, 2048, (6, 8, 8))
    together = attend(q, keys, values, np.arange(6), N)
    for t in range(6):
        alone = attend(q[t : t + 1], keys[: t + 1], values[: t + 1], np.array([t]), N)
        assert (together[t] == alone[0]).all()


def test_groups_of_query_heads_share_a_kv_head():
    """With one position only, every query head puts out the value of its KV head."""
    values = np.arange(32).reshape(1, 4, 8) * 4 - 60
    y = attend(np.ones((1, 8, 8), np.int64), np.ones((1, 4, 8), np.int64), values, np.array([0]), N)
    exact = values.repeat(2, axis=1).reshape(1, 64) * 64
    assert (np.abs(y - exact) <= 0.8 + np.abs(exact) * RECIPROCAL_ERROR).all()


# SwiGLU and sampler ---------------------------------------------------------------------------------------------------
def test_silu_of_every_gate():
    gates = np.arange(-(1 << 13), 1 << 13)
    x = gates * 2.0**-9
    error = silu(gates, N) * 2.0**-9 - x / (1 + np.exp(-x))
    assert SILU_ERROR - 2**-13 < np.abs(error).max() <= SILU_ERROR
    assert silu(np.array([-(1 << 13)]), N) == 0


def test_silu_keeps_its_symmetry():
    """silu(x) - silu(-x) = x, exactly."""
    gates = np.arange(1 << 13)
    assert (silu(gates, N) - silu(-gates, N) == gates).all()


@given(st.integers(-(2**13), 2**13 - 1), st.integers(-(2**11), 2**11 - 1))
def test_swiglu(gate, up):
    y = int(swiglu(np.array(gate), np.array(up), N))
    x = gate * 2.0**-9
    exact = x / (1 + np.exp(-x)) * up
    assert abs(y * 2.0 ** (N.intermediate_drop - 9) - exact) <= SILU_ERROR * abs(up) + 2.0 ** (N.intermediate_drop - 10)
    assert -(1 << (N.intermediate_bits - 1)) <= y < 1 << (N.intermediate_bits - 1)


def test_argmax_prefers_the_lowest_index():
    assert argmax(np.array([3, 7, 7, -1])) == 1
    assert argmax(np.array([-5, -5])) == 0
