"""How long a design takes where nothing stalls: what a test states of it, and what the run without stalls is held to.

A test states spans; the testbench has the clock of every transfer, and compares.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

Word = tuple[str, int]
"""A stream, and the number of a word on it: 0 for the first."""
SHOWN = 5
"""Wrong spans that a failure lists."""


class Span(NamedTuple):
    """`clocks` from the transfer of the word `start` to the transfer of the word `end`."""

    start: Word
    end: Word
    clocks: int


def between(clocks: int, source: str, starts: Iterable[int], sink: str, ends: Iterable[int]) -> list[Span]:
    """The same clocks from each word of `starts` to the word of `ends` that has the same place in the list."""
    return [Span((source, a), (sink, b), clocks) for a, b in zip(starts, ends, strict=True)]


def paced(pace: int, stream: str, words: Iterable[int]) -> list[Span]:
    """Each of these words is transferred `pace` clocks after the one before it."""
    return [Span((stream, a), (stream, b), pace) for a, b in pairwise(words)]


def through(latency: int, pace: int, words: int, source: str = "x", sink: str = "y") -> list[Span]:
    """Of a block that makes one word of each: the word comes `latency` clocks later, one every `pace` clocks."""
    return between(latency, source, range(words), sink, range(words)) + paced(pace, sink, range(words))


def check_spans(spans: Iterable[Sequence], cycles: Mapping[str, Sequence[int]]) -> None:
    """Raise AssertionError unless the transfers, whose clocks `cycles` has by stream, are as far apart as stated."""
    wrong = []
    for (source, a), (sink, b), clocks in spans:
        took = cycles[sink][b] - cycles[source][a]
        if took != clocks:
            wrong.append(f"{took} clocks from word {a} of {source} to word {b} of {sink}, stated {clocks}")
    assert not wrong, "; ".join([*wrong[:SHOWN], f"{len(wrong)} spans are wrong"])
