"""What a step sees."""

import numpy as np
import small  # noqa: F401  (skips where torch is missing)
import torch

from hc1gen.train import data
from hc1gen.train.data import CHUNK, Batches


class Echo:
    """A teacher that says the tokens."""

    device = torch.device("cpu")

    def trunk(self, tokens):
        return tokens[..., None].float()

    def logits(self, x):
        return x


def batches(count: int, size: int, listen: bool = True) -> Batches:
    rows = np.arange(count * 3).reshape(count, 3)
    made = Batches(rows, Echo(), 1, size, seed=5)
    if listen:
        made.listen()
    return made


def test_the_teacher_is_heard_for_each_window():
    for count in (5, CHUNK, CHUNK + 7):
        tokens, said = batches(count, count)(0)
        assert (said[..., 0] == tokens).all()
        assert (batches(count, count, listen=False)(0)[1] == said).all()


def test_what_has_no_room_is_read_for_each_batch(monkeypatch):
    monkeypatch.setattr(data, "MEMORY", 5 * 2 * 4)
    for count, heard in ((5, 1), (6, 0)):
        reads = []
        batches(count, 2).listen(lambda done, total, reads=reads: reads.append((done, total)))
        assert reads == [(count, count)] * heard
    tokens, said = batches(6, 2)(0)
    assert (said[..., 0] == tokens).all()


def test_every_window_is_seen_once_before_one_is_seen_again():
    one = batches(6, 2)
    seen = [int(first) for step in range(6) for first in one(step)[0][:, 0]]
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(0, 18, 3))
    assert seen[:6] != seen[6:]


def test_a_batch_depends_on_its_step_alone():
    ahead, fresh = batches(6, 4), batches(6, 4)
    for step in range(5):
        ahead(step)
    assert (ahead(1)[0] == fresh(1)[0]).all()
