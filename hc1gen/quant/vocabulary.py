"""Rounding the embedding and the LM head, one row a token, where the row of a token is what makes it likely.

Moving logit r by d costs p_r (1 - p_r) d^2 / 2 nats, p_r being its probability: the diagonal of the softmax's Fisher
information. So row r of the head has a second moment of its own, sum p_r (1 - p_r) x x^T over the text. A row of the
embedding is read as often as its token occurs, and all of its error enters the residual stream.
"""

from collections.abc import Iterable

import numpy as np

from ..frontend.reference import softmax
from .descent import weighted_error
from .gptq import Effort, round_rows
from .grid import Bits
from .moments import product
from .rounded import Rounded

EMBEDDING_WEIGHT = 0.1
"""Cost of an error in an embedding that is read once, by the head's mean cost of that error at one token."""
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
    return float(np.sqrt(weighted_error(rounded - head, moments).sum() / weighted_error(head, moments).sum()))


def round_head(head: np.ndarray, moments: np.ndarray, effort: Effort, bits: Bits) -> Rounded:
    """A head of its own: `moments` as of `head_moments`."""
    return Rounded.of(*round_rows(head, moments, effort, bits))


def round_tied(head: np.ndarray, moments: np.ndarray, counts: np.ndarray, effort: Effort, bits: Bits) -> Rounded:
    """A head that is the embedding too, each token occurring `counts` [V] times in the text."""
    width = head.shape[1]
    eye = np.eye(width)
    if moments.ndim == 2:
        # Tokens occur about as often as they are likely: both uses have the same weight in every row.
        moments = moments + EMBEDDING_WEIGHT * np.trace(moments) / width * eye
    else:
        once = np.einsum("vnn->", moments) / width / max(int(counts.sum()), 1)
        moments = moments + (EMBEDDING_WEIGHT * once * (counts + 0.5))[:, None, None] * eye
    return Rounded.of(*round_rows(head, moments.astype(head.dtype if moments.ndim == 2 else np.float64), effort, bits))
