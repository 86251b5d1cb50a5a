"""The verifier chooses what the golden chip chooses, and takes as long as it says."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from bench.case import pack
from bench.check import convert, written
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from cmvm.together import WAIVERS
from embedding.shapes import beats, make_plan

from hc1gen.golden import sampler
from hc1gen.golden.chip import Distribution, verify
from hc1gen.network import Plan
from hc1gen.numeric.numerics import RANDOM_BITS, SLOPE_BITS
from hc1gen.outcome import Outcome
from hc1gen.rtl.exponentials import memories
from hc1gen.rtl.payloads import chosen_token, drawn_token, to_bits
from hc1gen.rtl.threefry import RANDOM
from hc1gen.rtl.verifier import Verifier

TEMPERATURES = (1, 1 << 10, 3 << 10, 1 << 12, 3 << 12)
HIGHEST = (1 << RANDOM_BITS) - 1


@dataclass(frozen=True)
class Vector:
    """The target's logits p [V], the draft's q (None: not asked) and its token, and the random numbers."""

    p: np.ndarray
    q: np.ndarray | None
    proposal: int
    temperature: int
    random: tuple[int, int]


class Source:
    """Makes vectors of every kind."""

    def __init__(self, plan: Plan):
        self.plan, self.rng = plan, np.random.default_rng(plan.lanes)
        self.vocab, bits = plan.n.model.vocab, plan.n.config.logit_bits
        self.low, self.high = -(1 << bits - 1), (1 << bits - 1) - 1

    def vectors(self) -> list[Vector]:
        """Every kind with every temperature, in any order."""
        kinds = [self.alone, self.asked, self.perfect, self.apart, self.near, self.flat, self.sure]
        found = [kind(t) for kind in kinds for t in (0, 0, *TEMPERATURES)]
        found += [kind(1 << 12) for kind in (self.asked, self.near, self.sure, self.near, self.alone) * 3]
        return [found[i] for i in self.rng.permutation(len(found))]

    def alone(self, temperature: int) -> Vector:
        """The draft is not asked."""
        return Vector(self._logits(), None, 0, temperature, self._random())

    def asked(self, temperature: int) -> Vector:
        """Two models with nothing in common."""
        return self._drafted(self._logits(), self._logits(), temperature)

    def near(self, temperature: int) -> Vector:
        """Two models that mostly agree."""
        p = self._logits()
        q = np.clip(p + self.rng.integers(-9, 10, self.vocab), self.low, self.high)
        return self._drafted(p, q, temperature)

    def perfect(self, temperature: int) -> Vector:
        """One model twice, and the random number that is the hardest to accept."""
        p = self._logits()
        return self._drafted(p, p.copy(), temperature, test=HIGHEST)

    def apart(self, temperature: int) -> Vector:
        """Nothing that one says has any chance with the other; the random number is the easiest to accept."""
        first = self.rng.permutation(self.vocab) < max(1, self.vocab // 3)
        p, q = np.where(first, self.high, self.low), np.where(first, self.low, self.high)
        return self._drafted(p, q, temperature, test=0)

    def flat(self, temperature: int) -> Vector:
        """All tokens alike, which makes their sum the largest, and a draft that is sure."""
        q = np.full(self.vocab, self.low)
        q[self.rng.integers(self.vocab)] = self.high
        return self._drafted(np.full(self.vocab, self.high), q, temperature)

    def sure(self, temperature: int) -> Vector:
        """A target sure of two tokens, and a draft of all the others, which makes single weights the largest."""
        first, second = self.rng.permutation(self.vocab)[:2]
        p, q = np.full(self.vocab, self.low), np.full(self.vocab, self.high)
        p[first], p[second] = self.high, self.high - 16
        q[[first, second]] = self.low
        return self._drafted(p, q, temperature)

    def _drafted(self, p: np.ndarray, q: np.ndarray, temperature: int, test: int | None = None) -> Vector:
        numbers = self._random()
        own = self._random()[0]
        proposal = sampler.argmax(q)
        if temperature:
            proposal = sampler.draw(Distribution.of(q, sampler.slope(temperature, self.plan.n), self.plan.n).e, own)
        return Vector(p, q, proposal, temperature, (numbers[0] if test is None else test, numbers[1]))

    def _logits(self) -> np.ndarray:
        spread = self.rng.choice([4, 30, 1000])
        return np.clip(np.round(self.rng.normal(0, spread, self.vocab)), self.low, self.high).astype(np.int64)

    def _random(self) -> tuple[int, int]:
        """Two random numbers, often the lowest or the highest."""
        number = [0, HIGHEST, *self.rng.integers(0, HIGHEST, 4)]
        return int(self.rng.choice(number)), int(self.rng.choice(number))


def expected(vector: Vector, plan: Plan) -> tuple[int, Outcome]:
    """What the golden chip says."""
    if vector.temperature == 0:
        token = sampler.argmax(vector.p)
        same = Outcome.ACCEPTED if token == vector.proposal else Outcome.REJECTED
        return token, Outcome.SAMPLED if vector.q is None else same
    slope = sampler.slope(vector.temperature, plan.n)
    p = Distribution.of(vector.p, slope, plan.n)
    if vector.q is None:
        return sampler.draw(p.e, vector.random[1]), Outcome.SAMPLED
    return verify(p, Distribution.of(vector.q, slope, plan.n), vector.proposal, vector.random)


def clocks(vector: Vector, answer: tuple[int, Outcome], design: Verifier) -> int:
    """From the last beat of x to y: what the verifier states."""
    beat = answer[0] // design.plan.lanes
    if vector.temperature == 0:
        return design.greedy_latency
    if answer[1] == Outcome.SAMPLED:
        return design.drawn_latency(beat)
    return design.accepted_latency if answer[1] == Outcome.ACCEPTED else design.rejected_latency(beat)


def case_of(design: Verifier, vectors: list[Vector]) -> dict[str, object]:
    plan, n = design.plan, design.plan.n
    answers = [expected(v, plan) for v in vectors]
    noise = np.random.default_rng(1)
    drawn = drawn_token(plan.token_bits, n.config.sample_bits, n.sample_sum_bits)
    offers, x = [], []
    for v in vectors:
        bits = n.config.logit_bits
        padding = int(noise.choice([(1 << bits - 1) - 1, 0, -1 << bits - 1]))
        x += [pack(b, bits) for b in beats(v.p, plan.vocabulary, plan.lanes, padding)]
        offer = {
            "verify": int(v.q is not None), "greedy": int(v.temperature == 0),
            "slope": sampler.slope(v.temperature, n) if v.temperature else int(noise.integers(1 << SLOPE_BITS)),
            "head": 0, "beats": [],
        }  # fmt: skip
        if v.q is not None:
            q = Distribution.of(v.q, sampler.slope(v.temperature or 1 << 12, n), n)
            record = {"token": v.proposal, "weight": int(q.e[v.proposal]), "total": q.z}
            offer["head"] = to_bits(drawn, record)
            offer["beats"] = [pack(b, n.config.sample_bits) for b in beats(q.e, plan.vocabulary, plan.lanes)]
        offers.append(offer)
    chosen = [
        to_bits(chosen_token(plan.token_bits), {"token": token, "outcome": outcome, "proposal": v.proposal})
        for v, (token, outcome) in zip(vectors, answers, strict=True)
    ]
    random = [to_bits(RANDOM, dict(zip(("test", "draw"), v.random, strict=True))) for v in vectors]
    return {
        "x": x, "random": random, "y": chosen, "offers": offers,
        "clocks": [clocks(v, a, design) for v, a in zip(vectors, answers, strict=True)],
        "recovery": design.recovery, "beats": design.exponentials.beats, "patterns": list(STALL_PATTERNS),
    }  # fmt: skip


@pytest.mark.parametrize("shape", [(16, 64, 64), (5, 7, 37), (1, 7, 9), (7, 7, 5)])
def test_choices(tmp_path: Path, shape: tuple[int, int, int]):
    """Whole beats; padding; a single lane; a single beat."""
    plan = make_plan(*shape)
    design = Verifier(plan)
    vectors = Source(plan).vectors()
    answers = [expected(v, plan) for v in vectors]
    outcomes = Counter((a[1], v.temperature > 0) for v, a in zip(vectors, answers, strict=True))
    assert len(outcomes) == 6 and min(outcomes.values()) > 1, outcomes
    sources = [WAIVERS, convert(design, "verifier"), *written(tmp_path, memories(plan))]
    simulate("verifier", sources, "verifier", "verifier.choices", case=case_of(design, vectors))
