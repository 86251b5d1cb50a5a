"""What a step sees."""

import numpy as np
import small  # noqa: F401  (skips where torch is missing)
import torch

from hc1gen.train.data import CHUNK, Batches, Source


class Echo:
    """A teacher that says the tokens."""

    device = torch.device("cpu")

    def trunk(self, tokens):
        return tokens[..., None].float()

    def logits(self, x):
        return x


def source(count: int, number: int = 0, listen: bool = True) -> Source:
    rows = np.arange(count * 3).reshape(count, 3)
    made = Source(rows, Echo(), 1, number, seed=5)
    if listen:
        made.listen()
    return made


def test_the_teacher_is_heard_for_each_window():
    for count in (5, CHUNK, CHUNK + 7):
        tokens, said = source(count).batch(0, count)
        assert (said[..., 0] == tokens).all()
        assert (source(count, listen=False).batch(0, count)[1] == said).all()


def test_every_window_is_seen_once_before_one_is_seen_again():
    one = source(6)
    seen = [int(one.batch(step, 2)[0][i, 0]) for step in range(6) for i in range(2)]
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(0, 18, 3))
    assert seen[:6] != seen[6:]


def test_a_batch_depends_on_its_step_alone():
    ahead, fresh = source(6), source(6)
    for step in range(5):
        ahead.batch(step, 4)
    assert (ahead.batch(1, 4)[0] == fresh.batch(1, 4)[0]).all()


def test_sources_share_a_batch():
    tokens, said = Batches([source(6), source(9, number=1)], 5)(3)
    assert tokens.shape == (5, 2) and (said[..., 0] == tokens).all()
