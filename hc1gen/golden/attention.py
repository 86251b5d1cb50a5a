"""Grouped-query attention (Ainslie et al. 2023) with an exact softmax in integers.

The softmax uses powers of two, and the division by the sum of the probabilities comes last, after the weighted sum of
the values.
"""

import numpy as np

from ..numeric.numerics import Numerics
from .arith import bit_length_exact, round_shift
from .norm import cut_mantissa


def attend(q: np.ndarray, keys: np.ndarray, values: np.ndarray, positions: np.ndarray, n: Numerics) -> np.ndarray:
    """Returns the attention outputs [T, H * d] of `attention_bits` bits, value_frac + attention_frac of them fraction.

    q: queries [T, H, d] at `positions` [T]. keys, values: [S, Hkv, d] of the positions 0..S-1. A query sees the keys at
    its own position and before it.
    """
    t, heads, d = q.shape
    group = heads // keys.shape[1]
    # [Hkv, group * T, d] @ [Hkv, d, S]: float64 holds these sums exactly
    grouped = q.reshape(t, -1, group, d).transpose(1, 2, 0, 3).astype(np.float64)
    raw = (grouped @ keys.transpose(1, 2, 0)[:, None].astype(np.float64)).astype(np.int64)
    scores = round_shift(raw << max(-n.score_drop, 0), max(n.score_drop, 0))  # [Hkv, group, T, S]
    visible = np.arange(len(keys)) <= positions[:, None]
    p = np.where(visible, probabilities(scores, visible, n), 0)
    total = p.sum(axis=-1)  # Z
    mixed = (p.astype(np.float64) @ values.transpose(1, 0, 2)[:, None].astype(np.float64)).astype(np.int64)
    return normalise(mixed, total, n).transpose(2, 0, 1, 3).reshape(t, heads * d)


def probabilities(scores: np.ndarray, visible: np.ndarray, n: Numerics) -> np.ndarray:
    """Returns the unnormalised probabilities [.., T, S], `2**(score - largest visible score)`, rounded half up.

    scores: [.., T, S] with `score_frac` fraction bits. visible: bool [T, S]. The result has `prob_bits` bits, unsigned.
    Where a score is not visible, it has no meaning.
    """
    c = n.config
    largest = np.where(visible, scores, np.iinfo(np.int64).min).max(axis=-1, keepdims=True)
    below = np.where(visible, largest - scores, 0)
    whole, fraction = below >> c.score_frac, below & ((1 << c.score_frac) - 1)
    return round_shift(n.tables.exp2(fraction), np.minimum(whole, c.prob_bits + 1))


def normalise(mixed: np.ndarray, total: np.ndarray, n: Numerics) -> np.ndarray:
    """Divides weighted sums of values [.., d] by their Z [..]. Returns attention outputs [.., d] of `attention_bits`.

    The sums are shifted right by the place of the leading one of Z, and then multiplied by the reciprocal of Z's
    mantissa.
    """
    top = bit_length_exact(total) - 1
    reciprocal = n.tables.recip(cut_mantissa(total, top, n.config.mantissa_bits))
    aligned = round_shift(mixed << n.attention_guard, top[..., None])
    return round_shift(
        aligned * reciprocal[..., None], n.config.recip_bits + n.attention_guard - n.config.attention_frac
    )
