"""Calibration of the model that comes with the package."""

from pathlib import Path

import numpy as np
import pytest

from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.frontend.model import HEAD, layer_tensor
from hc1gen.golden.calibrate import calibrate
from hc1gen.golden.chip import GoldenChip
from hc1gen.golden.model import GoldenModel
from hc1gen.golden.observer import RangeObserver
from hc1gen.numeric.config import Formats, NumericConfig
from hc1gen.quant.quantized import QuantizedModel, quantize
from hc1gen.settings import Settings

MODEL = Path(__file__).parents[2] / "hc1gen" / "models" / "tinystories-w3"
CONTEXT = 64
TOKENS = 512


@pytest.fixture(scope="module")
def uncalibrated() -> QuantizedModel:
    return quantize(load_checkpoint(MODEL), NumericConfig())


@pytest.fixture(scope="module")
def model(uncalibrated) -> QuantizedModel:
    return calibrate(uncalibrated, CONTEXT, TOKENS)


def test_weights_lie_on_their_grid(uncalibrated):
    """The checkpoint was trained for 3 bits: rounding it changes nothing beyond its own precision."""
    checkpoint = load_checkpoint(MODEL)
    q, head = uncalibrated.matrix(layer_tensor(0, "gate")), uncalibrated.matrix(HEAD)
    for matrix, exact in ((q, checkpoint.layers[0].gate), (head, checkpoint.head)):
        assert np.abs(matrix.dequantize() - exact).max() < 0.02 * matrix.scale.max()
    uncalibrated.verify()


def test_calibration_is_deterministic(uncalibrated, model):
    again = calibrate(uncalibrated, CONTEXT, TOKENS)
    assert again.formats == model.formats


def test_formats_are_those_of_the_config(model):
    formats: Formats = model.formats
    shape = model.numerics(CONTEXT).model
    assert len(formats.layers) == shape.layers
    assert all(len(layer.key_frac) == shape.kv_heads * shape.head_dim // 2 for layer in formats.layers)
    assert model.config == NumericConfig()
    model.verify()


def test_only_keys_and_values_saturate(model):
    """They have no margin, so a few may, on random text; all else has room for twice what calibration saw."""
    observer = RangeObserver(keep_peaks=True)
    golden = GoldenModel(model, CONTEXT, observer)
    rng = np.random.default_rng(0)
    for _ in range(6):
        golden.session().forward(np.append(1, rng.integers(3, model.numerics(CONTEXT).model.vocab, CONTEXT - 1)))
    names = {name.split(".")[0] for name in observer.saturations}
    assert names <= {"key", "key_rotated", "value", "value_rotated"}, observer.saturations
    shape = model.numerics(CONTEXT).model
    elements = 6 * CONTEXT * shape.kv_heads * shape.head_dim
    assert max(observer.saturations.values(), default=0) < 0.02 * elements, observer.saturations


def test_widths_are_used(model):
    """Formats are not only safe: on the text of calibration, the largest value needs the width less its margin."""
    observer = RangeObserver(keep_peaks=True)
    chip = GoldenChip(GoldenModel(model, CONTEXT, observer))
    for token in chip.generate([1], Settings(limit=CONTEXT - 1)):
        assert 0 <= token.token < model.numerics(CONTEXT).model.vocab
    widths = {"residual": model.formats.residual_bits, "logit": model.config.logit_bits}
    for name, bits in widths.items():
        assert observer.peaks[name].max() >= 1 << (bits - 5), name
