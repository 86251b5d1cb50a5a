"""Which tensors deserve more than 3 bits: how much each tensor alone changes the model, and what it costs in adders.

One tensor at a time is rounded to the nearest, in 3 to 6 bits, and the divergence from the float model is measured.
Small divergences of single tensors nearly add up, so a greedy choice by nats per full adder is good. HAWQ (Dong et al.
2019, arXiv:1905.03696) also chooses by sensitivity, but takes it from the Hessian.
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
"""Called with the name of the current tensor and the number of tensors that are done."""
WIDTHS = range(BITS, MOST_BITS + 1)


@dataclass(frozen=True)
class Sensitivity:
    """The sensitivity of a tensor. The tuples have an entry for each of WIDTHS.

    divergence: in nats per token, if only this tensor is rounded. full_adders: how many it needs.
    """

    name: str
    divergence: tuple[float, ...]
    full_adders: tuple[int, ...]


def measure(ir: ModelIR, tokens: np.ndarray, progress: Progress | None = None) -> list[Sensitivity]:
    """Returns the sensitivity of every matrix, in the order of the checkpoint, on text windows `tokens` [S, T]."""
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
    """Returns tensor → bits, for the tensors that get more than BITS bits.

    budget: all full adders together are at most `budget` times those of a model with BITS bits. The choice is greedy:
    as long as one fits, it takes the step of one tensor to more bits that saves the most nats per full adder.
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
    """Returns the possible steps of a tensor from `step`: (nats saved per full adder, name, new step, full adders).

    A step must save nats and must not cost more than `left` full adders.
    """
    moves = []
    for further in range(step + 1, len(WIDTHS)):
        cost = max(1, each.full_adders[further] - each.full_adders[step])
        saved = each.divergence[step] - each.divergence[further]
        if cost <= left and saved > 0:
            moves.append((saved / cost, each.name, further, cost))
    return moves


def _with(ir: ModelIR, name: str, array: np.ndarray) -> ModelIR:
    """Returns the model with the matrix `name` replaced by `array`."""
    return ir.mapped(lambda each, before: array if each == name else before)
