"""A chip so wide that the angles of RoPE are late: then, too, a token takes the sum of what the blocks state."""

from pathlib import Path

import numpy as np
import pytest
from designs import VECTORS

from hc1gen.backend import simulator
from hc1gen.backend.bake import bake
from hc1gen.frontend.model import LayerWeights, ModelConfig, ModelIR
from hc1gen.golden.calibrated import calibrated
from hc1gen.numeric.config import NumericConfig
from hc1gen.rtl import assemble
from hc1gen.rtl.clocks import greedy_token, stage_steps
from hc1gen.rtl.rope import Rope
from hc1gen.rtl.timing import total
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
    chip = assemble.chip(calibrated(one_head(), NumericConfig(), CONTEXT, 64), CONTEXT, lanes, 1)
    steps = [step for stage in chip.target.network.stages for step in stage_steps(chip.target, stage, 1)]
    assert [step.clocks for step in steps if step.name == "rope"] == [Rope.latency + wait]
    bake(chip, tmp_path / "chip", (VECTORS / "mha-tied-f32" / "tokenizer.json").read_bytes())
    with simulator.ChipSimulator(simulator.build(tmp_path / "chip", 1)) as running:
        said = list(running.run([1], Settings(limit=TOKENS)))
    stated = [total(greedy_token(chip.target, position)) for position in range(1, TOKENS)]
    assert [token.clocks for token in said[1:]] == stated
