"""What is left after a rejection, and what is drawn from it, equal the golden functions: a whole grid, and extremes."""

import random
from collections.abc import Iterable

import numpy as np
from accept.grid import E_BITS, SUM_BITS, TOKENS, Weights, pairs
from bench.case import pack
from bench.check import convert
from bench.runner import simulate
from cmvm.together import WAIVERS
from embedding.shapes import beats, make_plan

from hc1gen.golden.accept import residual_distribution
from hc1gen.golden.sampler import draw
from hc1gen.network import Plan
from hc1gen.numeric.numerics import RANDOM_BITS
from hc1gen.rtl.draw import Draw
from hc1gen.rtl.residual_distribution import ResidualDistribution

Beat = tuple[Weights, Weights, int, int]
"""e_p and e_q of the lanes, Z_p, Z_q."""


def left(p: Iterable[int], z_p: int, q: Iterable[int], z_q: int) -> Weights:
    """The golden function's weights."""
    return tuple(residual_distribution(np.array(p), z_p, np.array(q), z_q))


def run(design: ResidualDistribution, questions: list[Beat], e_bits: int) -> None:
    """All beats in one simulation."""
    sent = [[pack(p, e_bits), pack(q, e_bits), z_p, z_q] for p, q, z_p, z_q in questions]
    answers = [pack(left(p, z_p, q, z_q), design.p_bits) for p, q, z_p, z_q in questions]
    case = {"questions": sent, "answers": answers, "latency": design.latency}
    simulate("residual", [WAIVERS, convert(design, "residual")], "residual", "residual_distribution.beats", case=case)


def test_everything_small():
    """Every pair that tests/golden/test_exactness.py counts."""
    questions = [(p, q, sum(p), sum(q)) for p, q in pairs()]
    run(ResidualDistribution(TOKENS, E_BITS, SUM_BITS, SUM_BITS), questions, E_BITS)


def test_chip_widths():
    """The largest and smallest of every number, and random ones of every size."""
    lanes, e_bits, sum_bits, rng = 3, 16, 25, random.Random(0)
    peak, corners = (1 << e_bits) - 1, [0, 1, (1 << e_bits) - 2, (1 << e_bits) - 1]
    sums = [peak, peak + 1, 512 * peak, (1 << sum_bits) - 1]

    def some() -> Weights:
        return tuple(rng.choice([*corners, int(2 ** rng.uniform(0, e_bits))]) for _ in range(lanes))

    questions = [(some(), some(), rng.choice(sums), rng.choice(sums)) for _ in range(500)]
    questions += [(some(), some(), rng.randrange(peak, 1 << sum_bits), rng.choice(sums)) for _ in range(500)]
    questions += [(p, p, z, z) for p, z in ((some(), rng.choice(sums)) for _ in range(20))]
    run(ResidualDistribution(lanes, e_bits, sum_bits, sum_bits), questions, e_bits)


def test_sums_of_unlike_widths():
    rng = random.Random(1)
    for p_bits, q_bits in ((5, 9), (9, 5)):
        questions = [
            (tuple(rng.choices(range(8), k=2)), tuple(rng.choices(range(8), k=2)), rng.getrandbits(p_bits),
             rng.getrandbits(q_bits))
            for _ in range(500)
        ]  # fmt: skip
        run(ResidualDistribution(2, 3, p_bits, q_bits), questions, 3)


def draw_from(plan: Plan, design: Draw, weights: list[Weights], numbers: list[int]) -> None:
    """Draw with every number from all weights, in one simulation."""
    vectors = [[pack(b, design.weight_bits) for b in beats(w, plan.vocabulary, plan.lanes)] for w in weights]
    answers = [[draw(np.array(w, object), number) for number in numbers] for w in weights]
    case = {
        "vectors": vectors, "numbers": numbers, "answers": answers, "sum_latency": design.sum_latency,
        "scale_latency": design.scale_latency, "find_latency": design.find_latency,
    }  # fmt: skip
    simulate("draw", [WAIVERS, convert(design, "draw")], "draw", "residual_distribution.draws", case=case)


def test_every_draw_from_what_is_left():
    """Everything that is left of the pairs above, under all random numbers of 4 bits, moved to the top."""
    bits = 4
    weights = {w for p, q in pairs() if any(w := left(p, sum(p), q, sum(q)))}
    plan = make_plan(2, 7, TOKENS)
    design = Draw(plan, E_BITS + SUM_BITS, 2 * SUM_BITS)
    draw_from(plan, design, sorted(weights), [number << RANDOM_BITS - bits for number in range(1 << bits)])


def test_draws_at_chip_widths():
    """p and q apart, which leaves the most there can be; and random ones."""
    plan = make_plan(16, 64, 512)
    n, rng = plan.n, np.random.default_rng(0)
    peak = (1 << n.config.sample_bits) - 1
    weights = []
    for split in (1, 7, 256, 511):
        p = np.where(np.arange(512) < split, peak, 0)
        weights += [left(p, p.sum(), peak - p, (peak - p).sum()), left(peak - p, (peak - p).sum(), p, p.sum())]
    for _ in range(8):
        p, q = (np.floor(2 ** rng.uniform(0, n.config.sample_bits, 512)).astype(np.int64) - 1 for _ in range(2))
        weights.append(left(p, p.sum(), q, q.sum()))
    numbers = [0, 1, (1 << RANDOM_BITS) - 1, *(int(x) for x in rng.integers(0, 1 << RANDOM_BITS, 5))]
    draw_from(plan, Draw(plan, n.residual_weight_bits, n.residual_total_bits), weights, numbers)
