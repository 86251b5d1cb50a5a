"""The greedy sampler."""

import numpy as np


def argmax(logits: np.ndarray) -> int:
    """Index of the largest logit of [V]; the lowest index wins a tie."""
    return int(np.argmax(logits))
