"""Starts the testbench of the gate in front of the LM head."""

import random

import pytest
from bench.case import noise
from bench.check import convert
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from cmvm.together import WAIVERS
from embedding.shapes import make_plan

from hc1gen.rtl.head_gate import HeadGate
from hc1gen.rtl.payloads import tag as tag_layout
from hc1gen.rtl.payloads import tagged, to_bits

VECTORS = 600
RESTLESS = 0.4
"""Chance that the epoch moves, in every clock."""
EPOCHS = (0, 0, 0, 9, 9, 1, 8, 15)
"""Epochs of the vectors and of the gate."""


def words(plan) -> list[int]:
    """Vectors of noise whose tags have one of `EPOCHS`; a third is not wanted."""
    rng = random.Random(plan.lanes)
    layout = tagged(plan.position_bits, plan.lanes, plan.n.residual_bits)
    found = []
    for _ in range(VECTORS):
        tag = noise(tag_layout(plan.position_bits), rng)
        tag |= {"epoch": rng.choice(EPOCHS), "predict": rng.random() < 0.67}
        for _ in range(len(plan.residual) // plan.lanes):
            lanes = layout.from_bits(rng.getrandbits(layout.size)).lanes
            found.append(to_bits(layout, {"lanes": lanes, "tag": tag}))
    return found


@pytest.mark.parametrize(("lanes", "hidden"), [(2, 10), (3, 7), (4, 4)])
def test_vectors(lanes, hidden):
    """Several beats, padded ones, and one."""
    plan = make_plan(lanes, hidden, 37)
    case = {
        "words": words(plan), "lanes": plan.lanes, "residual_bits": plan.n.residual_bits,
        "restless": RESTLESS, "epochs": EPOCHS, "position_bits": plan.position_bits,
        "beats": len(plan.residual) // plan.lanes, "patterns": list(STALL_PATTERNS), "latency": HeadGate.latency,
        "pace": HeadGate.pace, "tag_latency": HeadGate.tag_latency, "position_latency": HeadGate.position_latency,
    }  # fmt: skip
    simulate(
        "head_gate",
        [WAIVERS, convert(HeadGate(plan), "head_gate")],
        "head_gate",
        "head_gate.bench_head_gate",
        case=case,
    )
