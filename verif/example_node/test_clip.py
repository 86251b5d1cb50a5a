"""The example of docs/contributing.md: a new node, from its shape to a chip that says what its golden model says."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from bench.timing import through
from chip.conversations import check_chip, converse
from cmvm.together import Run, check_together
from designs import VECTORS, Design

from example_node.clip_block import ClipBlock
from example_node.clip_golden import ClippedModel, clip
from example_node.clip_node import Clip
from hc1gen.backend.bake import bake
from hc1gen.errors import InputError
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrated import calibrated
from hc1gen.golden.chip import GoldenChip
from hc1gen.network import Linear, Network, Stage, beats_of
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant.quantized import QuantizedModel
from hc1gen.rtl import assemble
from hc1gen.rtl.chip import Chip
from hc1gen.rtl.transformer import Transformer
from hc1gen.settings import Settings

CHECKPOINT = VECTORS / "gqa-old-config-f32"
CONTEXT, LIMIT = 12, 0.4
"""A limit that a tenth of all queries, keys and values of this model exceed."""


def clipped(network: Network, limit: float) -> Network:
    """The network with a clip behind every QKV node; in the package this is one line in `network/llama.py`."""

    def with_clip(stage: Stage) -> Stage:
        nodes = []
        for node in stage.nodes:
            nodes.append(node)
            if isinstance(node, Linear) and node.name == "qkv":
                nodes.append(Clip.behind(node, limit))
        return replace(stage, nodes=tuple(nodes))

    return Network(network.plan, tuple(map(with_clip, network.stages)))


@pytest.mark.parametrize("lanes", [1, 4, 9])
def test_the_block_clips(lanes):
    rng = np.random.default_rng(lanes)
    limits = tuple(int(each) for each in rng.integers(0, 128, 9))
    node = Clip("clip", beats_of(rng.permutation(9).tolist(), lanes), lanes, limits, 8)
    vectors = rng.integers(-128, 128, (20, 9))
    expected = clip(vectors, np.array(limits))
    words = [
        [pack([0 if i is None else x[i] for i in node.order[b : b + lanes]], 8) for x in each for b in starts(node)]
        for each in (vectors, expected)
    ]
    block, timing = ClipBlock(node), through(ClipBlock.latency, ClipBlock.pace, len(words[0]))
    check_together("clip", {"clip": Run(block, {"x": words[0]}, {"y": words[1]}, timing)}, STALL_PATTERNS)


def starts(node: Clip) -> range:
    """Where the beats of a vector begin."""
    return range(0, len(node.order), node.lanes)


def test_the_node_checks_itself():
    with pytest.raises(InputError) as error:
        Clip("clip", (0, 1), 2, (3, 200, 1), 8)
    assert error.value.problems == [
        "limits: got 3, expected one for each element",
        "limits: got 1..200, expected 0..127",
    ]


def with_clips(plain: Transformer) -> Transformer:
    """The hardware of a model with the clips in its network."""
    return replace(plain, network=clipped(plain.network, LIMIT))


class ClippedDesign(Design):
    """A baked chip whose golden model clips, and whose clocks are added up with the clip among them."""

    @cached_property
    def target(self) -> Transformer:
        return with_clips(self.hardware.target)

    @cached_property
    def golden(self) -> ClippedModel:
        model = ClippedModel(self.model, CONTEXT)
        model.limit = LIMIT
        return model

    @cached_property
    def chip(self) -> GoldenChip:
        return GoldenChip(self.golden)


@pytest.fixture(scope="module")
def model() -> QuantizedModel:
    return calibrated(load_checkpoint(CHECKPOINT), NumericConfig(), CONTEXT, 256)


def test_the_chip_clips(model, tmp_path: Path):
    """Every vector of every layer, under stalls; and the clip is not for nothing."""
    chip = Chip(with_clips(assemble.transformer(model, CONTEXT, 5, 2)))
    bake(chip, tmp_path / "chip", (CHECKPOINT / "tokenizer.json").read_bytes())
    design = ClippedDesign(tmp_path / "chip")
    plain = Design(tmp_path / "chip").golden.session().forward(np.array([1, 2, 3]))
    assert (plain != design.golden.session().forward(np.array([1, 2, 3]))).any()
    talks = [converse(design, [1, 2, 3, 4], Settings(limit=4)), converse(design, [5], Settings(limit=3))]
    check_chip(design, talks, patterns=("none", "both"))
