"""The token drawn is the golden model's: all shapes, widths, and random numbers at both ends."""

from typing import Any

import numpy as np
import pytest
from bench.case import pack
from bench.check import convert
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from cmvm.together import WAIVERS
from embedding.shapes import SHAPES, beats, make_plan

from hc1gen.golden.sampler import draw
from hc1gen.network import Plan
from hc1gen.numeric.numerics import RANDOM_BITS, bits_for
from hc1gen.rtl.draw import Draw
from hc1gen.rtl.multiplier import Multiplier

HIGHEST = (1 << RANDOM_BITS) - 1


def weights_of(vocab: int, bits: int) -> list[np.ndarray]:
    """Of all sizes, with many zeros, few that are not zero, all alike, and the largest there are."""
    rng, high = np.random.default_rng(bits), (1 << bits) - 1
    chosen = [rng.integers(0, high, vocab, endpoint=True) for _ in range(4)]
    chosen += [rng.integers(0, high, vocab, endpoint=True) * (rng.random(vocab) < 0.2) for _ in range(3)]
    chosen += [rng.integers(0, 2, vocab) for _ in range(2)] + [np.full(vocab, 1), np.full(vocab, high)]
    for place in (0, vocab // 2, vocab - 1):
        one = np.zeros(vocab, np.int64)
        one[place] = rng.integers(1, high, endpoint=True)
        chosen.append(one)
    for weights in chosen:
        weights[rng.integers(vocab)] |= 1
    return chosen


def randoms_of(weights: np.ndarray) -> list[int]:
    """Both ends, and both sides of the border between two tokens."""
    rng, total = np.random.default_rng(3), int(weights.sum())
    border = int(np.cumsum(weights)[rng.integers(len(weights))])
    at = -(-(border << RANDOM_BITS) // total)  # the lowest random number beyond the border
    return [r for r in (0, HIGHEST, int(rng.integers(HIGHEST)), at - 1, at) if 0 <= r <= HIGHEST]


def case_of(plan: Plan, bits: int, patterns: list[str]) -> dict[str, Any]:
    """All weights with all their random numbers, some after a draw that is cut short."""
    rng, lanes, count = np.random.default_rng(5), plan.lanes, len(plan.vocabulary) // plan.lanes

    def packed(weights: np.ndarray) -> list[int]:
        return [pack(beat, bits) for beat in beats(weights, plan.vocabulary, lanes)]

    draws = []
    for weights in weights_of(plan.n.model.vocab, bits):
        for random in randoms_of(weights):
            token = draw(weights, random)
            cuts = rng.integers(0, 2 * count + Draw.scale_latency, rng.integers(0, 2)).tolist()
            known = {"random": random, "token": token, "weight": int(weights[token]), "beat": token // lanes}
            w = packed(weights)
            draws.append({"w": w, "scanned": w, "total": int(weights.sum()), "cuts": cuts} | known)
    # The weights are taken away after the sum, or were none from the beginning: the scan ends with its last beat.
    for weights in (np.full(plan.n.model.vocab, 1), np.zeros(plan.n.model.vocab, np.int64)):
        known = {"random": HIGHEST, "token": None, "weight": None, "beat": count - 1}
        w, none = packed(weights), packed(weights * 0)
        draws.append({"w": w, "scanned": none, "total": int(weights.sum()), "cuts": []} | known)
    return {
        "draws": draws, "beats": count, "sum_latency": Draw.sum_latency, "scale_latency": Draw.scale_latency,
        "find_latency": Draw.find_latency, "patterns": patterns, "timeout": 200_000,
    }  # fmt: skip


@pytest.mark.parametrize("shape", [*SHAPES, (7, 7, 5)])
@pytest.mark.parametrize("bits", [1, 16, 41])
def test_draws(shape, bits):
    plan = make_plan(*shape)
    sources = [WAIVERS, convert(Draw(plan, bits, bits_for(plan.n.model.vocab * ((1 << bits) - 1))), "draw")]
    patterns = ["none", "both"] if plan.n.model.vocab > 100 else [*STALL_PATTERNS]
    simulate("draw", sources, "draw", "draw.bench_draw", case=case_of(plan, bits, patterns))


@pytest.mark.parametrize("widths", [(32, 25), (32, 50), (8, 8), (9, 2), (3, 4), (1, 1)])
def test_multiplier(widths):
    multiplier = Multiplier(*widths)
    case = {"widths": widths, "latency": multiplier.latency}
    sources = [WAIVERS, convert(multiplier, "multiplier")]
    simulate("multiplier", sources, "multiplier", "draw.bench_multiplier", case=case)
