"""Speculative sampling emits the target's distribution: counted over all random numbers, not sampled.

Every distribution of small integer exponentials meets every other, under every random number of few bits, through the
functions that the chip equals. docs/speculation.md has the proofs of the bounds.
"""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import pytest

from hc1gen.golden.accept import accept, residual_distribution
from hc1gen.golden.chip import Distribution, verify
from hc1gen.golden.sampler import draw
from hc1gen.numeric.numerics import RANDOM_BITS
from hc1gen.outcome import Outcome

GRIDS = [(2, 12), (3, 4), (4, 2)]
"""(tokens, largest exponential): all distributions of each, zeros, equal ones and disjoint supports among them."""
BITS = (3, 4, 5, 6)

Weights = tuple[int, ...]


@cache
def distributions(tokens: int, largest: int) -> list[Weights]:
    """All exponentials of a grid but none at all."""
    return [e for e in product(range(largest + 1), repeat=tokens) if any(e)]


def pairs(tokens: int, largest: int) -> Iterator[tuple[Weights, Weights]]:
    """Every target's distribution with every draft's."""
    return product(distributions(tokens, largest), repeat=2)


@cache
def draws(weights: Weights, bits: int) -> Weights:
    """How many random numbers draw each token."""
    counts = Counter(draw(np.array(weights, object), random, bits) for random in range(1 << bits))
    return tuple(counts[token] for token in range(len(weights)))


@cache
def accepts(e_p: int, z_p: int, e_q: int, z_q: int, bits: int) -> int:
    """How many random numbers accept."""
    return sum(accept(random, e_p, z_p, e_q, z_q, bits) for random in range(1 << bits))


def residual(p: Weights, q: Weights) -> Weights:
    """What is drawn from after a rejection."""
    return tuple(residual_distribution(np.array(p), sum(p), np.array(q), sum(q)))


def emitted(p: Weights, q: Weights, bits: int) -> list[int]:
    """How many of the `2**(3 * bits)` triples (draft's draw, test, target's draw) emit each token.

    The three are independent, so that counts multiply.
    """
    total = 1 << bits
    proposed = draws(q, bits)
    accepted = [accepts(e_p, sum(p), e_q, sum(q), bits) for e_p, e_q in zip(p, q, strict=True)]
    kept = [n * a for n, a in zip(proposed, accepted, strict=True)]
    rejected = sum(proposed) * total - sum(kept)
    replaced = draws(residual(p, q), bits) if rejected else (0,) * len(p)
    return [n * total + rejected * r for n, r in zip(kept, replaced, strict=True)]


def is_multiple(value: Fraction, bits: int) -> bool:
    """Of `2**-bits`."""
    return (value * (1 << bits)).denominator == 1


def all_exact(p: Weights, q: Weights, bits: int) -> bool:
    """Whether every ratio that is asked for is a multiple of `2**-bits`."""
    z_p, z_q, rest = sum(p), sum(q), residual(p, q)
    ratios = [Fraction(e, z_q) for e in q] + [Fraction(w, sum(rest)) for w in rest if w]
    ratios += [min(Fraction(1), Fraction(a * z_q, b * z_p)) for a, b in zip(p, q, strict=True) if b]
    return all(is_multiple(ratio, bits) for ratio in ratios)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("grid", GRIDS)
def test_every_draw(grid, bits):
    """Less than 1 from the ideal count for each token and each run of tokens; exact where the ratios allow."""
    total = 1 << bits
    weights = {w for p, q in pairs(*grid) if any(w := residual(p, q))} | set(distributions(*grid))
    for w in weights:
        counts, z = draws(w, bits), sum(w)
        for first in range(len(w)):
            for end in range(first + 1, len(w) + 1):
                assert abs(sum(counts[first:end]) * z - total * sum(w[first:end])) < z
        assert all(count == 0 for count, e in zip(counts, w, strict=True) if e == 0)
        if all(is_multiple(Fraction(e, z), bits) for e in w):
            assert [count * z for count in counts] == [total * e for e in w]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("grid", GRIDS)
def test_every_acceptance(grid, bits):
    """The ideal count rounded up; every random number where p >= q, none where e_p = 0."""
    asked = {(a, sum(p), b, sum(q)) for p, q in pairs(*grid) for a, b in zip(p, q, strict=True) if b}
    for e_p, z_p, e_q, z_q in asked:
        count, p, q = accepts(e_p, z_p, e_q, z_q, bits), e_p * z_q, e_q * z_p
        assert 0 <= count * q - min(p, q) * (1 << bits) < q
        assert count == 1 << bits or p < q
        assert count == 0 or e_p > 0


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("grid", GRIDS)
def test_every_target_and_draft(grid, bits):
    """The whole: exact where the ratios allow, else within what docs/speculation.md proves; never a token without p."""
    total, half, exact = 1 << bits, grid[0] // 2, 0
    for p, q in pairs(*grid):
        counts, z_p = emitted(p, q, bits), sum(p)
        assert sum(counts) == total**3
        errors = [count * z_p - total**3 * e for count, e in zip(counts, p, strict=True)]
        assert all(count == 0 for count, e in zip(counts, p, strict=True) if e == 0)
        if all_exact(p, q, bits):
            assert not any(errors)
            exact += 1
        else:
            assert all(abs(error) < (half + 2) * total**2 * z_p for error in errors)
            assert sum(map(abs, errors)) < 2 * (2 * half + 1) * total**2 * z_p
    assert exact > len(distributions(*grid))


@pytest.mark.parametrize("grid", GRIDS)
def test_perfect_drafts_and_disjoint_ones(grid):
    """Never rejected, and always."""
    for p, q in pairs(*grid):
        accepted = {accepts(a, sum(p), b, sum(q), 4) for a, b in zip(p, q, strict=True) if b}
        same = all(a * sum(q) == b * sum(p) for a, b in zip(p, q, strict=True))
        assert not same or accepted == {16}
        assert any(a and b for a, b in zip(p, q, strict=True)) or accepted == {0}


def test_counts_are_those_of_the_chip():
    """Multiplied counts are what running the chip's `verify` on every triple finds.

    A random number of few bits, moved to the top of RANDOM_BITS, does the same as it does in few bits.
    """
    bits = 3
    up, everything = RANDOM_BITS - bits, range(1 << bits)
    rng = np.random.default_rng(0)
    grid = [pair for shape in GRIDS for pair in pairs(*shape)]
    for index in rng.choice(len(grid), 40, replace=False):
        p, q = grid[index]
        target, draft = (Distribution(np.array(e), sum(e)) for e in (p, q))
        counts: Counter[int] = Counter()
        for first, second, third in product(everything, repeat=3):
            proposal = draw(draft.e, first << up)
            token, outcome = verify(target, draft, proposal, (second << up, third << up))
            counts[token] += 1
            assert outcome in (Outcome.ACCEPTED, Outcome.REJECTED)
            assert (token == proposal) == (outcome == Outcome.ACCEPTED)
        assert [counts[token] for token in range(len(p))] == emitted(p, q, bits)
