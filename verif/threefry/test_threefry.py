"""The random words are the golden model's, for positions of all widths and both models."""

import random

import pytest
from bench.check import convert
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from bench.timing import between
from cmvm.together import WAIVERS

from hc1gen.golden.threefry import Stream
from hc1gen.rtl.payloads import to_bits
from hc1gen.rtl.threefry import RANDOM, SEED_BITS, Threefry


@pytest.mark.parametrize(("counter_bits", "which"), [(1, 0), (9, 1), (32, 0)])
def test_words(counter_bits, which):
    rng, count = random.Random(counter_bits), 40
    highest = (1 << SEED_BITS) - 1
    seeds = [0, 0, highest, highest] + [rng.getrandbits(SEED_BITS) for _ in range(count)]
    positions = [0, (1 << counter_bits) - 1] * 2 + [rng.getrandbits(counter_bits) for _ in range(count)]
    pairs = [Stream(seed, which).at(position) for seed, position in zip(seeds, positions, strict=True)]
    turns = range(len(positions))
    timing = between(Threefry.latency, "x", turns, "y", turns)
    timing += between(Threefry.recovery, "y", turns[:-1], "x", turns[1:])
    case = {
        "seeds": seeds, "positions": positions, "words": [to_bits(RANDOM, {"test": t, "draw": d}) for t, d in pairs],
        "latency": Threefry.latency, "patterns": list(STALL_PATTERNS), "timing": timing,
    }  # fmt: skip
    sources = [WAIVERS, convert(Threefry(counter_bits, which), "threefry")]
    simulate("threefry", sources, "threefry", "threefry.bench_threefry", case=case)
