"""A chip so wide that the angles of RoPE are late: then, too, a token takes the sum of what the blocks state."""

from pathlib import Path

import numpy as np
import pytest
from designs import VECTORS
from hc1gen.rtl.plan import Plan

from hc1gen.backend import simulator
from hc1gen.backend.bake import bake
from hc1gen.frontend.model import LayerWeights, ModelConfig, ModelIR
from hc1gen.golden.calibrate import calibrate
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant.quantized import quantize
from hc1gen.rtl.chip import Chip
from hc1gen.rtl.clocks import angle_wait, greedy_token, total
from hc1gen.rtl.transformer import Transformer
from hc1gen.settings import Settings

WIDTH, VOCAB, CONTEXT, TOKENS = 40, 37, 8, 5
"""One head, as wide as the model."""


def one_head() -> ModelIR:
    """A model of one layer with random weights."""
    rng = np.random.default_rng(0)

    def matrix(rows: int) -> np.ndarray:
        return rng.normal(0, 0.1, (rows, WIDTH)).astype(np.float32)

    config = ModelConfig(
        hidden=WIDTH, intermediate=WIDTH, layers=1, heads=1, kv_heads=1, head_dim=WIDTH, vocab=VOCAB,
        max_positions=CONTEXT, rms_eps=1e-5, rope_theta=1e4, tied=False, bos=None, eos=(),
    )  # fmt: skip
    ones = np.ones(WIDTH, np.float32)
    q, k, v, o, gate, up, down = (matrix(WIDTH) for _ in range(7))
    layer = LayerWeights(ones, q, k, v, o, ones, gate, up, down)
    return ModelIR(config, matrix(VOCAB), (layer,), ones, matrix(VOCAB), "0" * 64, "one-head")


@pytest.mark.parametrize(("lanes", "wait"), [(20, 27), (40, 21)])
def test_angles_that_are_late(tmp_path: Path, lanes: int, wait: int):
    """Keys wait for them; with 20 lanes the planes of the next part wait behind, with 40 they do not."""
    model = calibrate(quantize(one_head(), NumericConfig()), CONTEXT, 64)
    target = Transformer(model, Plan(model.numerics(CONTEXT), lanes, 1))
    assert angle_wait(target) == wait
    bake(Chip(target), tmp_path / "chip", VECTORS / "mha-tied-f32" / "tokenizer.json")
    with simulator.ChipSimulator(simulator.build(tmp_path / "chip", 1)) as chip:
        said = list(chip.run([1], Settings(limit=TOKENS)))
    stated = [total(greedy_token(target, position)) for position in range(1, TOKENS)]
    assert [token.clocks for token in said[1:]] == stated
