"""Rounding the LM head, where the row of a token is what makes it likely.

Moving logit r by d costs p_r (1 - p_r) d^2 / 2 nats, p_r being its probability: the diagonal of the softmax's Fisher
information. So row r of the head has a second moment of its own, sum p_r (1 - p_r) x x^T over the text.
"""

from collections.abc import Iterable

import numpy as np

from ..frontend.reference import softmax
from .descent import weighted_error
from .moments import product

ROWS_OF_THEIR_OWN = 1 << 25
"""Up to so many numbers, rows of the head have second moments of their own; beyond, all share one."""


def head_moments(head: np.ndarray, x: Iterable[np.ndarray]) -> np.ndarray:
    """Second moments that a head [V, D] has for final inputs x, pieces of [T, D]: [V, D, D], or [D, D] for them all."""
    vocab, width = head.shape
    if vocab * width * width > ROWS_OF_THEIR_OWN:
        return sum((product(piece, piece) for piece in x), np.zeros((width, width))).astype(np.float32)
    moments = np.zeros((vocab, width * width))
    for piece in x:
        p = softmax(piece @ head.T)
        moments += product(p * (1 - p), (piece[:, :, None] * piece[:, None, :]).reshape(len(piece), -1))
    return moments.reshape(vocab, width, width)


def head_error(head: np.ndarray, rounded: np.ndarray, moments: np.ndarray) -> float:
    """Root mean square of the logits' errors, relative to that of the logits; `moments` as of `head_moments`."""
    whole = float(weighted_error(head, moments).sum())
    return float(np.sqrt(weighted_error(rounded - head, moments).sum() / whole)) if whole > 0 else 0.0
