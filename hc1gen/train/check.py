"""Figures of a trained model: always from the integer golden model, on text that was not trained on."""

from collections.abc import Callable

import numpy as np

from ..frontend import compare, reference
from ..frontend.evaluate import cross_entropy
from ..frontend.model import ModelIR
from ..golden.model import GoldenModel
from ..quant.quantized import QuantizedModel

Logits = Callable[[np.ndarray], np.ndarray]


def integer_logits(model: QuantizedModel, context: int) -> Logits:
    """Tokens [T] → logits [T, V] as the chip computes them."""
    return GoldenModel(model, context).logits


def float_logits(ir: ModelIR) -> Logits:
    """Tokens [T] → logits [T, V] in float."""
    return lambda tokens: reference.logits(ir, tokens)


def losses(logits: Logits, sets: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean nats per token on every validation set."""
    return {name: cross_entropy(logits, rows)[0] for name, rows in sets.items()}


def acceptance(draft: Logits, target: Logits, rows: np.ndarray) -> float:
    """Mean over positions of sum of min(p, q) at temperature 1: how often a token of the draft is accepted."""
    pairs = ((compare.log_softmax(draft(row[:-1])), compare.log_softmax(target(row[:-1]))) for row in rows)
    return float(np.mean([compare.acceptance(p, q) for p, q in pairs]))
