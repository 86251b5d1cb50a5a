"""Rows on the grid: exact where they lie on one, near the best scale where they do not."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hc1gen.quant.grid import HIGH, LOW, fit_rows, mantissa_exponent, quantize_rows, row_bits, row_bounds

DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def error(rows: np.ndarray, q: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return ((rows - q * scale[:, None]) ** 2).sum(axis=1)


def grid_rows(smallest: int, count: int, low: int = LOW, high: int = HIGH) -> tuple[np.ndarray, np.ndarray]:
    """Integer rows with `smallest`, `low` and `high` in them and no smaller magnitude but 0; and scales."""
    rng = np.random.default_rng(smallest)
    values = [v for v in range(low, high + 1) if v == 0 or abs(v) >= smallest]
    rows = rng.choice(values, (count, 24))
    rows[:, 0], rows[:, 1] = low, max(high, smallest)
    rows[:, 2] = smallest if smallest <= high else low
    return rows, 2.0 ** rng.uniform(-8, 2, count)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smallest", [1, 2, 3])
def test_row_on_a_grid_is_taken_over(dtype, smallest):
    integers, scales = grid_rows(smallest, 1000)
    q, scale = quantize_rows((integers * scales[:, None]).astype(DTYPES[dtype]).astype(np.float32))
    assert (q == integers).all()
    assert np.abs(scale / scales - 1).max() < {"float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-8}[dtype]


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_row_that_uses_part_of_a_grid_is_taken_over(dtype):
    integers, scales = grid_rows(1, 1000, low=-3, high=2)
    q, _ = quantize_rows((integers * scales[:, None]).astype(DTYPES[dtype]).astype(np.float32))
    assert (q == integers).all()


def test_row_of_the_largest_magnitude_alone():
    """Weights of 0 and -4 steps lie on the grid of -1 too; either is exact."""
    rows = np.array([[0, -4, -4, 0], [-4, 0, 0, 0]]) * 0.3
    q, scale = quantize_rows(rows)
    assert np.abs(q * scale[:, None] - rows).max() < 1e-12


@pytest.mark.parametrize("value", [0.7, -0.7, 1e-6, -300.0])
def test_single_element(value):
    q, scale = quantize_rows(np.array([[value]]))
    assert q[0, 0] * scale[0] == pytest.approx(value, rel=1e-12)
    assert scale[0] > 0


def test_zero_rows_keep_a_scale_above_zero():
    q, scale = quantize_rows(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, -1.0]]))
    assert q.tolist() == [[0, 0, 0], [1, 0, -1]]
    assert scale.tolist() == [1.0, 1.0]


def test_negative_rows_use_the_lowest_weight():
    rows = -np.abs(np.random.default_rng(0).normal(size=(50, 32)))
    q, scale = quantize_rows(rows)
    assert (scale > 0).all()
    assert q.max() <= 0 and q.min() == LOW


def plain_rtn(rows: np.ndarray) -> np.ndarray:
    """The error of the usual rounding, at the smallest scale that clips nothing."""
    scale = np.maximum(rows.max(axis=1) / HIGH, rows.min(axis=1) / LOW)
    q = np.clip(np.floor(rows / scale[:, None] + 0.5), LOW, HIGH)
    return error(rows, q, scale)


@given(st.integers(0, 2**31), st.integers(2, 64), st.sampled_from(["normal", "laplace", "uniform"]))
def test_no_worse_than_plain_rounding(seed, size, kind):
    rows = getattr(np.random.default_rng(seed), kind)(size=(20, size))
    q, scale = quantize_rows(rows)
    assert q.dtype == np.int8 and row_bits(q).max() == 3 and (scale > 0).all()
    # a row that passes for one on a grid is rounded to it, by 0.01 steps at most
    assert (error(rows, q, scale) <= plain_rtn(rows) * (1 + 1e-9) + size * (0.01 * scale) ** 2).all()


@pytest.mark.parametrize(("kind", "bound"), [("normal", 1.01), ("laplace", 1.01), ("uniform", 1.01)])
def test_near_the_best_scale_of_all(kind, bound):
    """Against a scan of 4000 scales, on rows as long as a model's; all errors together."""
    rows = getattr(np.random.default_rng(1), kind)(size=(40, 64))
    best = np.full(len(rows), np.inf)
    for ratio in np.geomspace(0.2, 2.0, 4000):
        scale = np.maximum(rows.max(axis=1) / HIGH, rows.min(axis=1) / LOW) * ratio
        q = np.clip(np.floor(rows / scale[:, None] + 0.5), LOW, HIGH)
        best = np.minimum(best, error(rows, q, scale))
    got = error(rows, *quantize_rows(rows))
    assert got.sum() <= best.sum() * bound
    assert (got <= best * 1.1).all()


@given(st.floats(1e-9, 1e9), st.integers(4, 16))
def test_mantissa_exponent(scale, bits):
    mantissa, exponent = mantissa_exponent(np.array([scale]), bits)
    assert int(mantissa[0]) >> (bits - 1) == 1
    assert abs(mantissa[0] * 2.0 ** -exponent[0] / scale - 1) <= 2.0**-bits


def test_mantissa_that_rounds_up_to_a_power_of_two():
    mantissa, exponent = mantissa_exponent(np.array([1 - 2.0**-12, 1.0, 0.5]), 10)
    assert mantissa.tolist() == [512, 512, 512]
    assert exponent.tolist() == [9, 9, 10]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bits", [4, 5, 6])
def test_a_wide_row_is_kept_where_that_is_asked_for(dtype, bits):
    """Whatever its smallest weight is; among others it keeps its own width."""
    rng, half = np.random.default_rng(bits), 1 << bits - 1
    integers = np.concatenate([rng.integers(-half, half, (200, 24)), rng.integers(LOW, HIGH + 1, (200, 24))])
    integers[:200, 0], integers[:, 1] = -half, 1
    scales = 2.0 ** rng.uniform(-8, 2, 400)
    rows = (integers * scales[:, None]).astype(DTYPES[dtype]).astype(np.float32)
    q, scale = quantize_rows(rows, kept=6)
    assert (q == integers).all() and row_bits(q)[:200].min() == bits
    assert np.abs(scale / scales - 1).max() < 2**-8
    assert row_bits(quantize_rows(rows)[0]).max() == 3


def test_a_float_row_is_not_taken_for_a_wide_one():
    rows = np.random.default_rng(0).normal(size=(20000, 12))
    q, _ = quantize_rows(rows, kept=6)
    assert (row_bits(q) > 3).mean() < 1e-3


def test_bits_of_each_row():
    rows = np.random.default_rng(1).normal(size=(4, 200))
    q, scale = quantize_rows(rows, np.array([3, 4, 5, 6]))
    assert row_bits(q).tolist() == [3, 4, 5, 6]
    errors = error(rows, q, scale)
    assert (errors[1:] < 0.4 * errors[:-1]).all()


def test_row_bits():
    rows = np.array([[0, 0], [3, -4], [4, 0], [0, -5], [-8, 7], [8, 0], [-32, 31]])
    assert row_bits(rows).tolist() == [3, 3, 3, 4, 4, 4, 6]


def test_a_row_may_be_mirrored():
    """-3..4 is 3 bits too: rows of it are taken over, and a float row goes where it is nearer."""
    rng = np.random.default_rng(2)
    integers = rng.integers(-3, 5, (300, 24))
    integers[:, :3] = 4, -3, 1
    scales = 2.0 ** rng.uniform(-8, 2, 300)
    q, scale = quantize_rows(integers * scales[:, None])
    assert (q == integers).all() and np.allclose(scale, scales) and row_bits(q).max() == 3
    assert [bound.tolist() for bound in row_bounds(q[:2], 3)] == [[-3, -3], [4, 4]]
    rows = rng.normal(size=(300, 64))
    q, scale = quantize_rows(rows)
    assert 0.3 < (q.max(axis=1) == 4).mean() < 0.7 and row_bits(q).max() == 3
    other, its_scale = quantize_rows(-rows)
    assert (other == -q).all() and (its_scale == scale).all()
    one_sided = error(rows, *fit_rows(rows))
    assert (error(rows, q, scale) <= one_sided).all() and error(rows, q, scale).sum() < 0.97 * one_sided.sum()
