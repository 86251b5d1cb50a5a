"""Cross-entropy, the one figure by which quantised and integer models are compared with the float model."""

from collections.abc import Callable, Sequence

import numpy as np


def windows(tokens: Sequence[int] | np.ndarray, length: int, bos: int | None) -> np.ndarray:
    """Cuts tokens into windows of `length`, each behind a BOS: int64 [N, length + 1], or [N, length] where bos is None.

    What is left after the last whole window is dropped.
    """
    count = len(tokens) // length
    body = np.asarray(tokens[: count * length], dtype=np.int64).reshape(count, length)
    return body if bos is None else np.concatenate([np.full((count, 1), bos), body], axis=1)


def nll(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Negative log likelihood in nats, float64 [T], of targets [T] under logits [T, V]."""
    wide = np.asarray(logits, dtype=np.float64)
    top = wide.max(axis=-1)
    log_sum = top + np.log(np.exp(wide - top[:, None]).sum(axis=-1))
    return log_sum - wide[np.arange(len(wide)), targets]


def cross_entropy(logits_of: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> tuple[float, int]:
    """Mean nats per predicted token over windows [N, W], and how many tokens that is: N * (W - 1).

    `logits_of` maps tokens [T] to logits [T, V]; the first token of a window is given, the others are predicted.
    """
    losses = np.array([nll(logits_of(row[:-1]), row[1:]) for row in rows])
    return float(losses.mean()), losses.size
