"""Rope position embedding (Su et al. 2021): pairs of elements are turned by an angle that grows with the position."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..numeric.numerics import Numerics
from .node import Flow, Node, Order


@dataclass(frozen=True)
class Segment:
    """A part of the vector: order of its elements in whole beats, whether they are turned, and the width that they are
    rounded to. Turned elements are numbered head by head, and a pair of them stands side by side."""

    order: Order
    turned: bool
    out_bits: int


@dataclass(frozen=True)
class Rope(Node):
    """segments: parts of the vector, one after the other; head_dim: elements of a head; n: widths and tables."""

    segments: tuple[Segment, ...]
    lanes: int
    head_dim: int
    position_bits: int
    n: Numerics

    @property
    def input(self) -> Flow:
        """Every segment, its elements numbered through."""
        return Flow(numbered(segment.order for segment in self.segments), self.lanes)

    @property
    def output(self) -> Flow:
        """The same order."""
        return self.input


def numbered(orders: Iterable[Order]) -> Order:
    """Orders one behind the other, elements numbered through."""
    joined: list[int | None] = []
    first = 0
    for order in orders:
        joined += [None if index is None else first + index for index in order]
        first += sum(index is not None for index in order)
    return tuple(joined)
