"""What a checkpoint gives back: integers and scales, exactly."""

import numpy as np
import pytest

from hc1gen.quant.grid import HIGH, LOW, quantize_rows
from hc1gen.quant.rounded import Rounded


@pytest.mark.parametrize("values", [range(LOW, HIGH + 1), (-4, -2, 0, 2), (-3, 0, 3), (0, 2), (-4, 0), (0,), (-2, 3)])
def test_float32_rows_give_integers_and_scales_back(values):
    rng = np.random.default_rng(1)
    q = rng.choice(list(values), (300, 40)).astype(np.int8)
    scale = 2.0 ** rng.uniform(-12, 6, 300)
    rounded = Rounded.of(q, scale)
    array = rounded.array()
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, q * scale[:, None], rtol=2e-6)
    back, back_scale = quantize_rows(array)
    assert (back == rounded.weights).all() and (back_scale == rounded.scale).all()
