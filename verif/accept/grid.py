"""Distributions so small that all of them can meet: those over which tests/golden/test_exactness.py counts."""

from collections.abc import Iterator
from itertools import product

GRIDS = [(2, 12), (3, 4), (4, 2)]
"""(tokens, largest exponential)"""
TOKENS, E_BITS, SUM_BITS = 4, 4, 5
"""What holds every distribution of the grids, with zeros where it has fewer tokens."""

Weights = tuple[int, ...]


def distributions(tokens: int, largest: int) -> list[Weights]:
    """All exponentials of a grid but none at all, as TOKENS of them."""
    found = (e for e in product(range(largest + 1), repeat=tokens) if any(e))
    return [e + (0,) * (TOKENS - tokens) for e in found]


def pairs() -> Iterator[tuple[Weights, Weights]]:
    """Every target's distribution with every draft's, grid by grid."""
    for grid in GRIDS:
        yield from product(distributions(*grid), repeat=2)
