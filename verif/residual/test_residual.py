"""Starts the testbench of the skip connections on every shape."""

import random

import numpy as np
import pytest
from bench.case import noise, pack
from bench.check import convert
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from cmvm.together import WAIVERS
from embedding.shapes import SHAPES, beats, make_plan

from hc1gen.golden.arith import Meter
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
        between = Meter().saturate("residual", x + backs[0], bits)
        total = Meter().saturate("residual", between + backs[1], bits)
        tag = noise(tag_layout(plan.position_bits), tags)
        found["tags"].append(to_bits(tag_layout(plan.position_bits), tag))
        inner = [("inner", vector) for vector in (x, x, between, between)]
        for name, vector in (("x", x), *inner, *(("back", back) for back in backs), ("y", total)):
            for beat in beats(vector, plan.residual, plan.lanes):
                whole = name in ("x", "y")
                found[name].append(to_bits(layout, {"lanes": beat, "tag": tag}) if whole else pack(beat, bits))
    return found


@pytest.mark.parametrize("shape", [*SHAPES, (7, 7, 37), (5, 20, 37)])
def test_sums_with_the_sublayers(shape):
    plan = make_plan(*shape)
    case = {"words": words(plan), "beats": len(plan.residual) // plan.lanes, "patterns": list(STALL_PATTERNS)}
    sources = [WAIVERS, convert(Residual(plan), "residual")]
    simulate("residual", sources, "residual", "residual.bench_residual", case=case)
