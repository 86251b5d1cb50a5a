"""Starts the testbench of the skip connections on every shape."""

import random

import numpy as np
import pytest
from bench.case import noise, pack
from bench.check import convert
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from bench.timing import Span, between, paced
from cmvm.together import WAIVERS
from embedding.shapes import SHAPES, beats, make_plan

from hc1gen.golden.observer import RangeObserver
from hc1gen.network import Plan
from hc1gen.rtl.payloads import tag as tag_layout
from hc1gen.rtl.payloads import tagged, to_bits
from hc1gen.rtl.residual import Residual

TOKENS = 25


def words(plan: Plan) -> dict[str, list[int]]:
    """Words of every stream, for tokens whose sums saturate at both ends, at one or at none."""
    bits, hidden = plan.n.residual_bits, plan.n.model.hidden
    rng, tags = np.random.default_rng(plan.lanes), random.Random(plan.lanes)
    layout = tagged(plan.position_bits, plan.lanes, bits)
    found: dict[str, list[int]] = {"x": [], "inner": [], "back": [], "y": [], "tags": []}
    for _ in range(TOKENS):
        spread = 1 << (bits - 1 if rng.random() < 0.5 else bits - 2)
        x, *backs = rng.integers(-spread, spread, (3, hidden))
        between = RangeObserver().saturate("residual", x + backs[0], bits)
        total = RangeObserver().saturate("residual", between + backs[1], bits)
        tag = noise(tag_layout(plan.position_bits), tags)
        found["tags"].append(to_bits(tag_layout(plan.position_bits), tag))
        inner = [("inner", vector) for vector in (x, x, between, between)]
        for name, vector in (("x", x), *inner, *(("back", back) for back in backs), ("y", total)):
            for beat in beats(vector, plan.residual, plan.lanes):
                whole = name in ("x", "y")
                found[name].append(to_bits(layout, {"lanes": beat, "tag": tag}) if whole else pack(beat, bits))
    return found


def timing(beats: int) -> list[Span]:
    """Of a token, `x` and `y` have a vector, `back` has two, and `inner` four, the first and third as they come."""
    spans = []
    for token in range(TOKENS):
        x, back, inner = (range(token * n * beats, (token + 1) * n * beats) for n in (1, 2, 4))
        spans += between(Residual.latency, "x", x, "inner", inner[:beats])
        spans += between(Residual.latency, "back", back[:beats], "inner", inner[2 * beats : 3 * beats])
        spans += between(Residual.latency, "back", back[beats:], "y", x)
        for vector in range(4):
            spans += paced(Residual.pace, "inner", inner[vector * beats : (vector + 1) * beats])
        spans += paced(Residual.pace, "y", x)
        if token < TOKENS - 1:
            spans += between(Residual.recovery, "y", [x[-1]], "x", [x[-1] + 1])
    return spans


def eager_timing(beats: int) -> list[Span]:
    """Attention's result, offered in time, is taken when its vector has come twice, and the wait is over."""
    firsts = range(0, TOKENS * 2 * beats, 2 * beats)
    lasts = range(2 * beats - 1, TOKENS * 4 * beats, 4 * beats)
    return between(1 + Residual.attention_wait, "inner", lasts, "back", firsts)


@pytest.mark.parametrize("shape", [*SHAPES, (7, 7, 37), (5, 20, 37)])
def test_sums_with_the_sublayers(shape):
    plan = make_plan(*shape)
    beats = len(plan.residual) // plan.lanes
    case = {
        "words": words(plan), "beats": beats, "patterns": list(STALL_PATTERNS), "timing": timing(beats),
        "eager_timing": eager_timing(beats), "tag_latency": Residual.tag_latency,
    }  # fmt: skip
    sources = [WAIVERS, convert(Residual(plan), "residual")]
    simulate("residual", sources, "residual", "residual.bench_residual", case=case)
