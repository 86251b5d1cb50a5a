"""The largest logit and the exponentials are the golden model's, for many shapes and widths."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench.case import pack
from bench.check import convert, written
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from cmvm.together import WAIVERS
from embedding.shapes import SHAPES, beats, make_plan

from hc1gen.golden.sampler import argmax, exponentials
from hc1gen.network import Plan
from hc1gen.numeric.config import NumericConfig
from hc1gen.numeric.numerics import SLOPE_BITS
from hc1gen.rtl.exponentials import Exponentials, memories

ONE_BEAT = (7, 7, 5)
STEEPEST = (1 << SLOPE_BITS) - 1


def with_widths(plan: Plan, logit_frac: int, **widths: int) -> Plan:
    """The plan with another logit format and other widths."""
    n = plan.n
    formats = replace(n.formats, logit_frac=logit_frac)
    return replace(plan, n=replace(n, formats=formats, config=NumericConfig(**({"logit_bits": 8} | widths))))


def vectors_of(plan: Plan) -> list[np.ndarray]:
    """Logits: ties everywhere, the largest in every place that a shape makes special, all alike, and random."""
    vocab, bits = plan.n.model.vocab, plan.n.config.logit_bits
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    rng = np.random.default_rng(plan.lanes)
    chosen = [rng.integers(low, high + 1, vocab) for _ in range(8)]
    chosen += [rng.choice([low, high], vocab) for _ in range(2)]
    chosen += [rng.integers(low, low + 2, vocab) for _ in range(5)]
    chosen += [np.full(vocab, value) for value in (low, high, 0, -1)]
    for place in {0, 1, plan.lanes - 1, plan.lanes, vocab - 1, vocab - vocab % plan.lanes - 1, vocab - 2}:
        for rest in (low, 0):
            one = np.full(vocab, rest)
            one[place % vocab] = rest + 1
            chosen.append(one)
    return chosen


def slope_of(plan: Plan, rng: np.random.Generator) -> int:
    """A slope under which the exponentials of random logits are of all sizes; now and then an extreme one."""
    useful = (1 << plan.n.config.sample_frac) * plan.n.config.sample_bits << max(plan.n.sample_drop, 0)
    likely = min((useful >> plan.n.config.logit_bits) + 1, STEEPEST)
    return int(rng.choice([0, 1, likely // 3, likely, likely, likely, min(4 * likely, STEEPEST), STEEPEST]))


def case_of(plan: Plan, patterns: list[str]) -> dict[str, object]:
    """Every vector with its replays; a replay may be cut short by the release."""
    c, rng = plan.n.config, np.random.default_rng(1)
    count = len(plan.vocabulary) // plan.lanes
    highest = (1 << (c.logit_bits - 1)) - 1
    vectors = []
    for index, logits in enumerate(vectors_of(plan)):
        slope = slope_of(plan, rng)
        e = exponentials(logits, slope, plan.n)
        vectors.append(
            {
                "x": [pack(b, c.logit_bits) for b in beats(logits, plan.vocabulary, plan.lanes, padding=highest)],
                "largest": argmax(logits),
                "slope": slope,
                "e": [pack(b, c.sample_bits) for b in beats(e, plan.vocabulary, plan.lanes)],
                "replays": index % 4,
                "cut": int(rng.choice([0, 1, 2, 3, 4, count, count + 2, count + 3, count + 4, count + 9])),
            }
        )
    return {
        "vectors": vectors, "beats": count, "latency": Exponentials.latency, "ahead": Exponentials.ahead,
        "full_latency": Exponentials.full_latency, "recovery": Exponentials.recovery, "pace": Exponentials.pace,
        "patterns": patterns, "timeout": 100_000,
    }  # fmt: skip


def run(tmp_path: Path, plan: Plan, patterns: list[str]) -> None:
    """Simulate the plan's `Exponentials`."""
    sources = [WAIVERS, convert(Exponentials(plan), "exponentials"), *written(tmp_path, memories(plan))]
    case = case_of(plan, patterns)
    simulate("exponentials", sources, "exponentials", "exponentials.bench_exponentials", case=case)


@pytest.mark.parametrize("shape", [*SHAPES, ONE_BEAT])
def test_shapes(tmp_path: Path, shape):
    """Lanes of padding hold the largest number there is."""
    run(tmp_path, with_widths(make_plan(*shape), 4), [*STALL_PATTERNS])


WIDTHS = [
    pytest.param(10, {"logit_bits": 16}, id="default"),
    pytest.param(0, {"logit_bits": 8, "sample_frac": 14}, id="zeros-appended"),
    pytest.param(6, {"logit_bits": 8, "sample_bits": 2, "sample_frac": 4, "sample_index": 2}, id="two-bits"),
    pytest.param(2, {"logit_bits": 24, "sample_bits": 20, "sample_frac": 14, "sample_index": 10}, id="widest"),
    pytest.param(16, {"logit_bits": 8, "sample_bits": 20, "sample_frac": 5, "sample_index": 5}, id="nothing-far"),
]


@pytest.mark.parametrize(("logit_frac", "widths"), WIDTHS)
def test_widths(tmp_path: Path, logit_frac, widths):
    run(tmp_path, with_widths(make_plan(5, 7, 37), logit_frac, **widths), ["none", "both"])
