"""Rounding for the error of outputs: against brute force on a small case, and against rounding to the nearest."""

from itertools import product

import numpy as np
import pytest

from hc1gen.quant.descent import descend, fit_scale, sweep, weighted_error
from hc1gen.quant.gptq import Effort, damped, gptq, inverse_factor, round_rows
from hc1gen.quant.grid import HIGH, LOW, bounds, quantize_rows, row_bits

GRID = np.arange(LOW, HIGH + 1)


def inputs(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Correlated inputs [count, width], a few much larger than others, as a language model has them."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(width, width)) * 0.5 ** np.arange(width)[None, :].clip(max=6)
    return rng.normal(size=(count, width)) @ mixing.T * rng.lognormal(0, 1, width)


def problem(rows: int = 40, width: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = inputs(400, width, seed)
    return np.random.default_rng(seed + 1).normal(size=(rows, width)), x.T @ x


def errors(weights: np.ndarray, q: np.ndarray, scale: np.ndarray, h: np.ndarray) -> np.ndarray:
    return weighted_error(weights - q * scale[:, None], h)


def test_weighted_error_is_that_of_the_outputs():
    x, difference = inputs(30, 5), np.random.default_rng(3).normal(size=(4, 5))
    np.testing.assert_allclose(weighted_error(difference, x.T @ x), ((x @ difference.T) ** 2).sum(axis=0))
    each = np.stack([(i + 1) * x.T @ x for i in range(4)])
    np.testing.assert_allclose(weighted_error(difference, each), np.arange(1, 5) * weighted_error(difference, x.T @ x))


@pytest.mark.parametrize("seed", range(4))
def test_four_weights_against_brute_force(seed):
    """All rows of integers at their best scales: GPTQ with descent finds most of the best, and is never far."""
    weights, h = problem(8, 4, seed)
    h = damped(h, 0.01)
    every = np.array(list(product(GRID, repeat=4)), float)
    every = np.concatenate([every, -every])
    best = []
    for row in weights:
        many = np.broadcast_to(row, every.shape)
        best.append(errors(many, every, fit_scale(many, h, every, np.ones(len(every))), h).min())
    found = errors(weights, *round_rows(weights, h, Effort(damping=0)), h)
    nearest = errors(weights, *quantize_rows(weights), h)
    assert (found >= np.array(best) * (1 - 1e-9)).all()
    assert (found < np.array(best) * (1 + 1e-9)).mean() >= 0.7
    assert found.sum() < 1.3 * np.sum(best) and found.sum() < 0.75 * nearest.sum()


@pytest.mark.parametrize("effort", [Effort(), Effort(act_order=False), Effort(ratios=(1.0,), sweeps=0)])
def test_no_row_is_worse_than_rounding_to_the_nearest(effort):
    weights, h = problem()
    q, scale = round_rows(weights, h, effort)
    assert q.dtype == np.int8 and row_bits(q).max() == 3 and (scale > 0).all()
    h = damped(h, effort.damping)
    found, nearest = errors(weights, q, scale, h), errors(weights, *quantize_rows(weights), h)
    assert (found <= nearest * (1 + 1e-9)).all()
    assert found.sum() < (0.5 if effort.sweeps else 0.8) * nearest.sum()


def test_gptq_makes_up_for_errors_and_descent_goes_on_from_there():
    weights, h = problem()
    h = damped(h, 0.01)
    nearest, scale = quantize_rows(weights)
    plain = gptq(weights, inverse_factor(h), scale, bounds(3, len(weights)))
    assert errors(weights, plain, scale, h).sum() < 0.7 * errors(weights, nearest, scale, h).sum()
    better = errors(weights, *descend(weights, h, plain, scale, bounds(3, len(weights)), 8), h)
    assert (better <= errors(weights, plain, scale, h) * (1 + 1e-9)).all()
    assert better.sum() < 0.95 * errors(weights, plain, scale, h).sum()


def test_after_descent_no_single_weight_can_be_improved():
    weights, h = problem(6, 40)
    limits = bounds(3, 6)
    q, scale = descend(weights, damped(h, 0.01), quantize_rows(weights)[0].astype(float), np.full(6, 0.5), limits, 200)
    changed, _ = sweep(weights, damped(h, 0.01), q, scale, limits)
    assert not changed.any()
    for column, value in product(range(40), GRID):
        other = q.copy()
        other[:, column] = value
        base = errors(weights, q, scale, damped(h, 0.01))
        assert (errors(weights, other, scale, damped(h, 0.01)) >= base * (1 - 1e-9)).all()


def test_independent_inputs_of_equal_size_are_rounding_to_the_nearest():
    weights, _ = problem()
    q, scale = round_rows(weights, np.eye(48), Effort())
    nearest = ((weights - np.multiply(quantize_rows(weights)[0], quantize_rows(weights)[1][:, None])) ** 2).sum()
    assert ((weights - q * scale[:, None]) ** 2).sum() == pytest.approx(nearest, rel=0.02)


def test_rows_may_have_moments_of_their_own():
    weights, h = problem(6)
    _, other = problem(6, seed=9)
    each = np.stack([h, other] * 3)
    q, scale = round_rows(weights, each, Effort(act_order=False))
    for row in range(6):
        alone = round_rows(weights[[row]], each[row], Effort(act_order=False))
        assert (q[row] == alone[0][0]).all() and scale[row] == pytest.approx(alone[1][0])


def test_rows_on_the_grid_and_dead_inputs():
    q0 = np.random.default_rng(0).integers(LOW, HIGH + 1, (5, 16))
    q0[:, :2] = LOW, HIGH
    h = np.zeros((16, 16))
    q, scale = round_rows(q0 * 0.25, h, Effort())
    assert (q == q0).all() and (scale == 0.25).all()
    q, scale = round_rows(np.zeros((2, 16)), h, Effort())
    assert not q.any() and (scale > 0).all()
