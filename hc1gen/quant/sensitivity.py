"""Which tensors are worth more than 3 bits: how far each one by itself moves the model, against full adders.

A tensor is rounded to the nearest alone, in 3 to 6 bits, and the divergence from the float model is measured.
Divergences of single tensors nearly add up while they are small, so a greedy choice by nats per full adder is a good
one (HAWQ, Dong et al. 2019, arXiv:1905.03696, goes by sensitivity too, from the Hessian).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..fabric.digits import digits
from ..frontend import compare, reference
from ..frontend.model import ModelIR
from .grid import BITS, MOST_BITS
from .rounded import Rounded

Progress = Callable[[str, int], object]
"""Called with the tensor at hand and how many are done."""
WIDTHS = range(BITS, MOST_BITS + 1)


@dataclass(frozen=True)
class Sensitivity:
    """A tensor: nats per token that it costs to round it alone, and its full adders, for each of WIDTHS."""

    name: str
    divergence: tuple[float, ...]
    full_adders: tuple[int, ...]


def measure(ir: ModelIR, tokens: np.ndarray, progress: Progress | None = None) -> list[Sensitivity]:
    """Sensitivity of everything that is a tile, on windows `tokens` [S, T], in the order of the data."""
    ir = ir.untied()
    said = [compare.log_softmax(reference.logits(ir, row)) for row in tokens]

    def divergence(rounded: ModelIR) -> float:
        pairs = zip(said, (compare.log_softmax(reference.logits(rounded, row)) for row in tokens), strict=True)
        return float(np.mean([compare.divergence(p, q) for p, q in pairs]))

    found = []
    for done, (name, weights) in enumerate(ir.matrices()):
        if progress:
            progress(name, done)
        made = [Rounded.nearest(weights, bits) for bits in WIDTHS]
        costs = tuple(int(np.count_nonzero(digits(each.weights))) for each in made)
        found.append(Sensitivity(name, tuple(divergence(_with(ir, name, each.array())) for each in made), costs))
    return found


def choose(sensitivities: list[Sensitivity], budget: float) -> dict[str, int]:
    """Bits of the tensors that get more than BITS, so that all full adders are at most `budget` times those of BITS.

    Again and again the step of one tensor to more bits that saves most nats for each full adder, while it fits.
    """
    steps = dict.fromkeys((each.name for each in sensitivities), 0)
    left = (budget - 1.0) * sum(each.full_adders[0] for each in sensitivities)
    while True:
        best = max((move for each in sensitivities for move in _moves(each, steps[each.name], left)), default=None)
        if best is None:
            return {name: WIDTHS[step] for name, step in steps.items() if step}
        _, name, step, cost = best
        steps[name], left = step, left - cost


def _moves(each: Sensitivity, step: int, left: float) -> list[tuple[float, str, int, int]]:
    """(nats saved per full adder, name, its next width, full adders) of what fits in what is left and saves any."""
    moves = []
    for further in range(step + 1, len(WIDTHS)):
        cost = max(1, each.full_adders[further] - each.full_adders[step])
        saved = each.divergence[step] - each.divergence[further]
        if cost <= left and saved > 0:
            moves.append((saved / cost, each.name, further, cost))
    return moves


def _with(ir: ModelIR, name: str, array: np.ndarray) -> ModelIR:
    """The model with another matrix."""
    return ir.mapped(lambda each, before: array if each == name else before)
