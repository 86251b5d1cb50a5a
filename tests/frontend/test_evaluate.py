"""Windows and cross-entropy."""

import numpy as np
import pytest

from hc1gen.frontend.evaluate import cross_entropy, nll, windows


def test_windows_each_start_with_bos_and_drop_the_rest():
    assert windows([5, 6, 7, 8, 9], 2, bos=1).tolist() == [[1, 5, 6], [1, 7, 8]]
    assert windows([5, 6, 7, 8, 9], 2, bos=None).tolist() == [[5, 6], [7, 8]]
    assert windows([5], 2, bos=1).shape == (0, 3)


def test_nll_of_known_distributions():
    got = nll(np.log(np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)) + 100, np.array([1, 0]))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, -np.log([0.75, 0.5]), atol=1e-5)
    assert nll(np.array([[1e4, 0.0]]), np.array([1])).tolist() == [1e4]


def test_cross_entropy_predicts_all_but_the_first():
    rows = np.array([[0, 1, 2], [0, 2, 1]])
    loss, count = cross_entropy(lambda tokens: np.zeros((len(tokens), 4)), rows)
    assert count == 4
    assert loss == pytest.approx(np.log(4))
