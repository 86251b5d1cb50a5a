"""Least squares from moments alone, against numpy on the data."""

import numpy as np
import pytest

from hc1gen.quant.moments import Moments

RNG = np.random.default_rng(0)
F = RNG.normal(size=(3, 200, 6)).astype(np.float32)
X = (F + 0.3 * RNG.normal(size=F.shape)).astype(np.float32)
W = RNG.normal(size=(4, 6)).astype(np.float32)
DRIFT = RNG.normal(size=(3, 200, 4)).astype(np.float32)


def wanted(drift: bool) -> np.ndarray:
    return (F @ W.T + (DRIFT if drift else 0)).reshape(-1, 4)


@pytest.mark.parametrize("drift", [False, True])
def test_best_weights_and_their_error(drift):
    target = Moments.of(X, F).target(W)
    if drift:
        target = target.plus(W, F, DRIFT, X)
    x, y = X.reshape(-1, 6), wanted(drift)
    best = target.best(W, ridge=0.0)
    np.testing.assert_allclose(best.T, np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-5)
    for weights in (W, best):
        direct = np.sqrt(((x @ weights.T - y) ** 2).sum() / (y**2).sum())
        assert target.error(weights) == pytest.approx(direct, rel=1e-4)
    assert target.error(best) < target.error(W)


def test_a_strong_ridge_keeps_the_weights():
    np.testing.assert_allclose(Moments.of(X, F).target(W).best(W, ridge=1e9), W, atol=1e-6)


def test_own_target_is_reached_by_the_weights_themselves():
    target = Moments.of(X, F).own_target(W)
    assert target.error(W) < 1e-3
    np.testing.assert_allclose(target.best(W, 0.01), W, atol=1e-5)
