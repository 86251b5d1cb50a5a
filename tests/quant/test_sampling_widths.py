"""Every width between a logit and a token, from the extreme values there can be: nothing overflows, no bit is idle."""

from itertools import product

import numpy as np
import pytest

from hc1gen.frontend.model import ModelConfig
from hc1gen.golden.accept import residual_distribution
from hc1gen.golden.sampler import draw, exponentials
from hc1gen.numeric.config import Formats, NumericConfig
from hc1gen.numeric.numerics import RANDOM_BITS, SLOPE_BITS, Numerics

SHAPES = [(512, 16), (512, 20), (512, 2), (7, 16), (37, 5), (2, 2), (3, 4), (8, 16), (1 << 16, 20)]
"""(vocabulary, sample_bits)"""


def shaped(vocab: int, bits: int) -> Numerics:
    """The widths of a model with this vocabulary."""
    model = ModelConfig(
        hidden=8, intermediate=8, layers=1, heads=1, kv_heads=1, head_dim=8, vocab=vocab, max_positions=8,
        rms_eps=1e-5, rope_theta=1e4, tied=True, bos=None, eos=(),
    )  # fmt: skip
    formats = Formats(residual_bits=16, score_raw_frac=10, logit_frac=8, layers=())
    return Numerics(NumericConfig(sample_bits=bits), formats, model, 8)


def fills(value: int, bits: int) -> bool:
    """`bits` unsigned bits hold `value`, and one less would not."""
    return int(value).bit_length() == bits


def split(n: Numerics, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Exponentials [V] of p, all at the largest on the first `count` tokens, and of q, the same on the others."""
    largest = (1 << n.config.sample_bits) - 1
    first = np.arange(n.model.vocab) < count
    return np.where(first, largest, 0), np.where(first, 0, largest)


@pytest.mark.parametrize("shape", SHAPES)
def test_exponentials_and_their_sum(shape):
    """All logits alike: every exponential is the largest there is."""
    n = shaped(*shape)
    e = exponentials(np.zeros(n.model.vocab, np.int64), (1 << SLOPE_BITS) - 1, n)
    assert fills(e.max(), n.config.sample_bits) and (e == (1 << n.config.sample_bits) - 1).all()
    assert fills(e.sum(), n.sample_sum_bits)


@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_the_acceptance(shape):
    """`e_p * Z_q` has the bits of its factors together, or one less; a random number in front adds RANDOM_BITS."""
    n = shaped(*shape)
    largest = (1 << n.config.sample_bits) - 1
    peak = largest * n.model.vocab * largest
    bits = n.config.sample_bits + n.sample_sum_bits
    assert peak.bit_length() in (bits, bits - 1)
    assert (((1 << RANDOM_BITS) - 1) * peak).bit_length() <= RANDOM_BITS + bits


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_left_after_a_rejection(shape):
    """The largest weight and the largest sum of weights occur, and fill their widths."""
    n = shaped(*shape)
    weights = [
        residual_distribution(p, int(p.sum()), q, int(q.sum())) for p, q in (split(n, 1), split(n, n.model.vocab // 2))
    ]
    assert fills(weights[0].max(), n.residual_weight_bits)
    assert fills(weights[1].sum(), n.residual_total_bits)
    assert draw(weights[1], (1 << RANDOM_BITS) - 1) == n.model.vocab // 2 - 1


@pytest.mark.parametrize("vocab", [2, 3, 4])
def test_nothing_is_larger(vocab):
    """All there is, of exponentials of 2 bits: the widths hold every weight and every sum, and are needed."""
    n = shaped(vocab, 2)
    grid = [np.array(e) for e in product(range(4), repeat=vocab) if any(e)]
    found = [residual_distribution(p, int(p.sum()), q, int(q.sum())) for p in grid for q in grid]
    assert fills(max(w.max() for w in found), n.residual_weight_bits)
    assert fills(max(w.sum() for w in found), n.residual_total_bits)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_draw_from_what_is_left_can_draw_from_exponentials(shape):
    """One circuit sums both."""
    n = shaped(*shape)
    assert n.config.sample_bits <= n.residual_weight_bits and n.sample_sum_bits <= n.residual_total_bits
