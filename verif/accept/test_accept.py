"""The accept circuit says what the golden function says: on a whole grid of small numbers, and at the chip's widths."""

import random

from bench.check import convert
from bench.runner import simulate
from cmvm.together import WAIVERS

from accept.grid import E_BITS, SUM_BITS, pairs
from hc1gen.golden.accept import accept
from hc1gen.rtl.accept import Accept

Question = tuple[int, int, int, int, int]
"""random, e_p, z_p, e_q, z_q"""


def run(design: Accept, questions: list[Question], bits: int) -> None:
    """Ask all questions in one simulation."""
    answers = [int(accept(*question, bits)) for question in questions]
    assert {0, 1} == set(answers)
    case = {"questions": questions, "answers": answers, "latency": design.latency}
    simulate("accept", [WAIVERS, convert(design, "accept")], "accept", "accept.questions", case=case)


def test_everything_small():
    """All that tests/golden/test_exactness.py counts with random numbers of 3 bits."""
    bits = 3
    found = {(a, sum(p), b, sum(q)) for p, q in pairs() for a, b in zip(p, q, strict=True) if b}
    questions = [(number, *q) for q in sorted(found) for number in range(1 << bits)]
    run(Accept(E_BITS, SUM_BITS, SUM_BITS, bits), questions, bits)


def test_chip_widths():
    """Extremes of every number, and random numbers on both sides of p / q, where it is a multiple of 2**-32 too."""
    e_bits, sum_bits, bits = 16, 25, 32
    highest = (1 << bits) - 1
    rng = random.Random(0)
    corners = [0, 1, 2, (1 << e_bits - 1) - 1, 1 << e_bits - 1, (1 << e_bits) - 1]
    sums = [1, (1 << e_bits) - 1, 1 << e_bits, (1 << sum_bits - 1), (1 << sum_bits) - 1]
    numbers = [(a, z_p, b, z_q) for a in corners for b in corners if b for z_p in sums for z_q in sums]
    numbers = rng.sample(numbers, 300)
    for _ in range(600):
        a, b = (int(2 ** rng.uniform(0, e_bits)) for _ in range(2))
        numbers.append((a, rng.randrange(a, 1 << sum_bits), b, rng.randrange(b, 1 << sum_bits)))
    for _ in range(100):  # p / q = odd / 2**shift
        shift = rng.randrange(5, 13)
        numbers.append((rng.randrange(1, 1 << shift, 2) << 3, 1 << 20, 1 << 12, 1 << 29 - shift))
    questions = []
    for a, z_p, b, z_q in numbers:
        edge = (a * z_q << bits) // (b * z_p)
        near = [edge - 1, edge, edge + 1, 0, 1, highest, rng.getrandbits(bits)]
        questions += [(number, a, z_p, b, z_q) for number in near if 0 <= number <= highest]
    run(Accept(e_bits, sum_bits, sum_bits), questions, bits)


def test_sums_of_unlike_widths():
    """A digit of the exponentials is not whole; the sums of target and draft have widths of their own."""
    rng = random.Random(1)
    e_bits, p_bits, q_bits, bits = 11, 14, 19, 13
    questions = [
        (rng.getrandbits(bits), rng.getrandbits(e_bits), rng.getrandbits(p_bits), rng.getrandbits(e_bits) | 1,
         rng.getrandbits(q_bits))
        for _ in range(2000)
    ]  # fmt: skip
    run(Accept(e_bits, p_bits, q_bits, bits), questions, bits)
