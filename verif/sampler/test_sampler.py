"""The sampler picks what the golden model's sampler picks."""

import numpy as np
import pytest
from bench.case import pack
from bench.check import check_streams, convert
from cmvm.together import WAIVERS
from embedding.shapes import SHAPES, beats, make_plan

from hc1gen.golden.sampler import argmax
from hc1gen.rtl.plan import Plan
from hc1gen.rtl.sampler import Argmax


def vectors(plan: Plan) -> list[np.ndarray]:
    """Logits: ties everywhere, the largest in every place that a shape makes special, all alike, and random."""
    vocab, bits = plan.n.model.vocab, plan.n.config.logit_bits
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    rng = np.random.default_rng(plan.lanes)
    chosen = [rng.integers(low, high + 1, vocab) for _ in range(10)]
    chosen += [rng.integers(low, low + 2, vocab) for _ in range(5)]
    chosen += [np.full(vocab, value) for value in (low, high, 0, -1)]
    for place in {0, 1, plan.lanes - 1, plan.lanes, vocab - 1, vocab - vocab % plan.lanes - 1, vocab - 2}:
        for rest in (low, 0):
            one = np.full(vocab, rest)
            one[place % vocab] = rest + 1
            chosen.append(one)
    return chosen


@pytest.mark.parametrize("shape", SHAPES)
def test_largest_logit(shape):
    """Lanes of padding hold the largest number there is."""
    plan = make_plan(*shape)
    bits = plan.n.config.logit_bits
    logits = vectors(plan)
    highest = (1 << (bits - 1)) - 1
    sent = [pack(beat, bits) for v in logits for beat in beats(v, plan.vocabulary, plan.lanes, padding=highest)]
    sources = [WAIVERS, convert(Argmax(plan), "argmax")]
    check_streams("argmax", sources, {"x": sent}, {"y": [argmax(v) for v in logits]})


def test_vector_of_one_beat():
    plan = make_plan(7, 7, 5)
    logits = np.random.default_rng(0).integers(-3, 3, (60, 5))
    sent = [pack(beat, 8) for v in logits for beat in beats(v, plan.vocabulary, 7, padding=100)]
    sources = [WAIVERS, convert(Argmax(plan), "argmax")]
    check_streams("argmax", sources, {"x": sent}, {"y": [argmax(v) for v in logits]})
