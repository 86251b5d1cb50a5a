"""The embedding's beats are the golden model's products, for every token."""

import random
from pathlib import Path

import numpy as np
import pytest
from bench.case import noise
from bench.check import check_streams, convert
from bench.timing import Span, between, paced
from cmvm.together import WAIVERS

from embedding.shapes import SHAPES, beats, make_plan
from hc1gen import network
from hc1gen.frontend.model import EMBEDDING
from hc1gen.golden.observer import RangeObserver
from hc1gen.network import Plan
from hc1gen.quant.quantized import Table
from hc1gen.rtl.embedding import Embedding, embedding_bits, embedding_rom, embedding_scale_bits
from hc1gen.rtl.payloads import tag as tag_layout
from hc1gen.rtl.payloads import tagged, tagged_token, to_bits

TOKENS = 90
"""Tokens in a test: enough for every row of the small vocabulary."""


def random_table(plan: Plan, largest_scale: int, bits: int = 3) -> Table:
    """What a quantised model's embedding consists of."""
    rng = np.random.default_rng(plan.lanes)
    vocab, hidden = plan.n.model.vocab, plan.n.model.hidden
    half = 1 << bits - 1  # every third row is mirrored
    weights = rng.integers(-half, half, (vocab, hidden)).astype(np.int8)
    weights[0] = np.resize(np.arange(-half, half), hidden)
    if vocab > 1:
        weights[1::3] = -weights[1::3]
        weights[1] = np.resize(np.arange(1 - half, half + 1), hidden)
    scale = rng.integers(0, largest_scale + 1, vocab)
    scale[0] = largest_scale
    return Table(EMBEDDING, weights, scale)


def node_of(plan: Plan, module: str = "embedding_rom") -> network.Embedding:
    """The node of a plan's embedding."""
    model = plan.n.model
    return network.Embedding("embedding", module, EMBEDDING, model.vocab, model.hidden, plan.residual, plan.lanes)


def rom_file(table: Table, plan: Plan, folder: Path) -> Path:
    """The ROM as a file in `folder`."""
    path = folder / "embedding_rom.sv"
    path.write_text("".join(embedding_rom(node_of(plan), table, plan.token_bits)))
    return path


def tokens_and_beats(plan: Plan, table: Table) -> tuple[list[int], list[int]]:
    """Words into and out of the block: every token of a small vocabulary, and ids beyond it."""
    token_layout = tagged_token(plan.token_bits, plan.position_bits)
    beat_layout = tagged(plan.position_bits, plan.lanes, plan.n.residual_bits)
    rng = random.Random(0)
    vocab = plan.n.model.vocab
    tokens = [0, vocab - 1, (1 << plan.token_bits) - 1, *rng.sample(range(vocab), min(vocab, TOKENS)), vocab // 2, 0]
    sent, received = [], []
    for token in tokens:
        tag = noise(tag_layout(plan.position_bits), rng)
        sent.append(to_bits(token_layout, {"token": token, "tag": tag}))
        row = np.zeros(plan.n.model.hidden, np.int64)
        if token < vocab:
            row = table.weights[token] * table.scale[token]
            row = RangeObserver().saturate("residual", row, plan.n.residual_bits)
        lanes = beats(row, plan.residual, plan.lanes)
        received += [to_bits(beat_layout, {"lanes": beat, "tag": tag}) for beat in lanes]
    return sent, received


def timing(block: Embedding, tokens: int) -> list[Span]:
    """A token is offered in the clock after the one before it was taken, and is taken with the last beat of its row."""
    count = len(block.plan.residual) // block.plan.lanes
    return [
        *between(1 + block.latency, "x", range(tokens - 1), "y", range(count, tokens * count, count)),
        *between(block.latency, "x", range(tokens), "y", range(count - 1, tokens * count, count)),
        *paced(block.pace, "y", range(tokens * count)),
    ]


@pytest.mark.parametrize("bits", [3, 4, 6])
@pytest.mark.parametrize(("shape", "largest_scale"), list(zip(SHAPES, [2047, 1023, 1], strict=True)))
def test_rows_of_tokens(tmp_path, shape, largest_scale, bits):
    """Scales that saturate (more than 1023), just do not, and are so narrow that nothing can."""
    plan = make_plan(*shape)
    table = random_table(plan, largest_scale, bits)
    sent, received = tokens_and_beats(plan, table)
    block = Embedding(plan, "embedding_rom", embedding_bits(table), embedding_scale_bits(table))
    sources = [WAIVERS, rom_file(table, plan, tmp_path), convert(block, "embedding")]
    check_streams("embedding", sources, {"x": sent}, {"y": received}, timing=timing(block, len(sent)))


def test_rom_text():
    plan = make_plan(2, 3, 2)
    table = random_table(plan, 5)
    table.weights[1] = [1, -1, 3]
    table.scale[1] = 2
    lines = "".join(embedding_rom(node_of(plan, "rows"), table, plan.token_bits)).splitlines()
    assert lines[0] == "// model.embed_tokens.weight: 2 tokens x 3 weights of 3 bits, and a scale per token."
    assert lines[2] == "module rows ("
    assert "        default: begin scale = 3'd0; mirrored = 1'b0; row = 12'd0; end" in lines
    assert "        1'd1: begin scale = 3'd2; mirrored = 1'b0; row = 12'h0f9; end" in lines
