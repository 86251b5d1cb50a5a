"""Figures by which models are compared on the same text: from log probabilities, all in nats."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """float64 [T, V] of logits [T, V]."""
    wide = np.asarray(logits, dtype=np.float64)
    wide = wide - wide.max(axis=-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p || q) of log probabilities [T, V] → [T]."""
    return (np.exp(p) * (p - q)).sum(axis=-1)


def acceptance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Sum of min(p, q) of log probabilities [T, V] → [T]: how likely speculative sampling at temperature 1 accepts
    what one of the two proposes to the other (Leviathan et al. 2023, arXiv:2211.17192)."""
    return np.exp(np.minimum(p, q)).sum(axis=-1)


def agreement(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Whether the likeliest tokens of [T, V] are the same → bool [T]."""
    return p.argmax(axis=-1) == q.argmax(axis=-1)


@dataclass
class Against:
    """Two models side by side, token by token; p is the one that counts as right."""

    kl: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    agreed: list[bool] = field(default_factory=list)

    def add(self, p: np.ndarray, q: np.ndarray) -> None:
        """Log probabilities [T, V] of both."""
        self.kl.extend(divergence(p, q))
        self.accepted.extend(acceptance(p, q))
        self.agreed.extend(agreement(p, q))

    def fields(self) -> dict[str, float]:
        """Means: kl in nats per token, agreement of the likeliest token, acceptance at temperature 1."""
        kl, agreed, accepted = (float(np.mean(each)) for each in (self.kl, self.agreed, self.accepted))
        return {"kl": kl, "agreement": agreed, "acceptance": accepted}


def loss_fields(losses: Sequence[float] | np.ndarray, size: int | None) -> dict[str, float | int | None]:
    """Of the nats of every predicted token: their mean and its powers; `size` is the text's in bytes, if known."""
    mean = float(np.mean(losses))
    return {
        "cross_entropy": mean,
        "perplexity": math.exp(mean) if mean < 700 else math.inf,
        "bits_per_byte": float(np.sum(losses)) / math.log(2) / size if size else None,
        "tokens": len(losses),
    }
