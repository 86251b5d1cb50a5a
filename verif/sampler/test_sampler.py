"""The sampler picks what the golden model's sampler picks, greedy and at all temperatures."""

from pathlib import Path

import numpy as np
import pytest
from bench.case import pack
from bench.check import convert, written
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from cmvm.together import WAIVERS
from embedding.shapes import SHAPES, beats, make_plan
from exponentials.test_exponentials import ONE_BEAT, slope_of, vectors_of, with_widths

from hc1gen.golden.sampler import argmax, draw, exponentials
from hc1gen.network import Plan
from hc1gen.numeric.numerics import RANDOM_BITS
from hc1gen.rtl.exponentials import memories
from hc1gen.rtl.payloads import drawn_token, to_bits
from hc1gen.rtl.sampler import Sampler

HIGHEST = (1 << RANDOM_BITS) - 1


def case_of(design: Sampler, patterns: list[str]) -> dict[str, object]:
    """Vectors in which ties are frequent, a third of them greedy."""
    plan, rng = design.plan, np.random.default_rng(2)
    c, count = plan.n.config, len(plan.vocabulary) // plan.lanes
    highest = (1 << (c.logit_bits - 1)) - 1
    widths = plan.token_bits, c.sample_bits, plan.n.sample_sum_bits
    vectors = []
    for index, logits in enumerate(vectors_of(plan)):
        slope, greedy = slope_of(plan, rng), index % 3 == 0
        random = int(rng.choice([0, HIGHEST, rng.integers(HIGHEST), rng.integers(HIGHEST), rng.integers(HIGHEST)]))
        e = exponentials(logits, slope, plan.n)
        token = draw(e, random)
        drawn = {"token": token, "weight": int(e[token]), "total": int(e.sum())}
        vectors.append(
            {
                "x": [pack(b, c.logit_bits) for b in beats(logits, plan.vocabulary, plan.lanes, padding=highest)],
                "slope": slope,
                "greedy": int(greedy),
                "random": random,
                "e": [pack(b, c.sample_bits) for b in beats(e, plan.vocabulary, plan.lanes)],
                "y": argmax(logits) if greedy else to_bits(drawn_token(*widths), drawn),
                "clocks": design.greedy_latency if greedy else design.drawn_latency(token // plan.lanes),
            }
        )
    return {
        "vectors": vectors, "beats": count, "widths": widths, "recovery": design.recovery, "patterns": patterns,
        "timeout": 100_000,
    }  # fmt: skip


def run(tmp_path: Path, plan: Plan, patterns: list[str]) -> None:
    """Simulate the plan's `Sampler`."""
    design = Sampler(plan)
    sources = [WAIVERS, convert(design, "sampler"), *written(tmp_path, memories(plan))]
    simulate("sampler", sources, "sampler", "sampler.bench_sampler", case=case_of(design, patterns))


@pytest.mark.parametrize("shape", [*SHAPES, ONE_BEAT])
def test_shapes(tmp_path: Path, shape):
    run(tmp_path, with_widths(make_plan(*shape), 4), [*STALL_PATTERNS])


@pytest.mark.parametrize("widths", [{"sample_bits": 2, "sample_frac": 5}, {"sample_bits": 20, "logit_bits": 16}])
def test_widths(tmp_path: Path, widths):
    run(tmp_path, with_widths(make_plan(5, 7, 37), 4, **widths), ["none", "both"])
