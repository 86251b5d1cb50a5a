"""The replay buffer takes a vector once and gives it twice."""

import random
from itertools import chain

import pytest
from bench.check import check_streams
from bench.timing import Span, between, paced

from hc1gen.rtl.replay import ReplayBuffer

VECTORS = 30


def timing(beats: int) -> list[Span]:
    """The first time as it comes, the second time behind it; then the next vector."""
    spans = []
    for vector in range(VECTORS):
        x, y = range(vector * beats, (vector + 1) * beats), range(2 * vector * beats, 2 * (vector + 1) * beats)
        spans += between(ReplayBuffer.latency, "x", x, "y", y[:beats]) + paced(ReplayBuffer.pace, "y", y)
        if vector < VECTORS - 1:
            spans += between(ReplayBuffer.recovery, "y", [y[-1]], "x", [x[-1] + 1])
    return spans


@pytest.mark.parametrize(("count", "bits", "beats"), [(3, 7, 4), (1, 5, 3), (2, 9, 1)])
def test_vectors(count, bits, beats):
    """Several beats, single lanes, a single beat."""
    rng = random.Random(beats)
    vectors = [[rng.getrandbits(count * bits) for _ in range(beats)] for _ in range(VECTORS)]
    sent, said = [[*chain(*(vector * times for vector in vectors))] for times in (1, 2)]
    replay = ReplayBuffer(count, bits, beats)
    check_streams("replay", replay, {"x": sent}, {"y": said}, constants={"turn": 0}, timing=timing(beats))
