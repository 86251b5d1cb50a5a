"""Second moments for rounding the LM head, each row of which makes the logit of one token.

To change logit r by d costs about p_r (1 - p_r) d^2 / 2 nats, where p_r is the token's probability: this is the
diagonal of the softmax's Fisher information. So row r of the head has its own second moment, the sum of
p_r (1 - p_r) x x^T over the text.
"""

from collections.abc import Iterable

import numpy as np

from ..frontend.reference import softmax
from .descent import weighted_error
from .moments import product

ROWS_OF_THEIR_OWN = 1 << 25
"""Largest number of elements of the second moments of all rows. For a larger head, all rows share one second moment."""


def head_moments(head: np.ndarray, x: Iterable[np.ndarray]) -> np.ndarray:
    """Returns the second moments of a head [V, D], one for each row [V, D, D], or one for all rows [D, D].

    x: the final inputs of the model, in pieces [T, D].
    """
    vocab, width = head.shape
    if vocab * width * width > ROWS_OF_THEIR_OWN:
        return sum((product(piece, piece) for piece in x), np.zeros((width, width))).astype(np.float32)
    moments = np.zeros((vocab, width * width))
    for piece in x:
        p = softmax(piece @ head.T)
        moments += product(p * (1 - p), (piece[:, :, None] * piece[:, None, :]).reshape(len(piece), -1))
    return moments.reshape(vocab, width, width)


def head_error(head: np.ndarray, rounded: np.ndarray, moments: np.ndarray) -> float:
    """Returns the root mean square error of the logits, relative to that of the logits. moments: of `head_moments`."""
    whole = float(weighted_error(head, moments).sum())
    return float(np.sqrt(weighted_error(rounded - head, moments).sum() / whole)) if whole > 0 else 0.0
