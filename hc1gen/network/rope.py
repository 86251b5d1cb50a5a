"""Rotary position embedding, RoPE (Su et al. 2021): pairs of elements are rotated by angles of the position."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..numeric.numerics import Numerics
from .node import Flow, Node, Order


@dataclass(frozen=True)
class Segment:
    """A part of the vector.

    Parameters
        order: order of its elements, in whole beats. Rotated elements are numbered head by head, and the two elements
            of a pair are neighbours.
        turned: whether its elements are rotated.
        out_bits: signed width to which its elements are rounded.
    """

    order: Order
    turned: bool
    out_bits: int


@dataclass(frozen=True)
class Rope(Node):
    """The rotation of keys and queries.

    Parameters
        segments: the parts of the vector, one behind the other.
        lanes: lanes of a beat, even.
        head_dim: elements of a head.
        position_bits: unsigned width of a position.
        n: widths and tables.
    """

    segments: tuple[Segment, ...]
    lanes: int
    head_dim: int
    position_bits: int
    n: Numerics

    @property
    def input(self) -> Flow:
        """All segments; their elements are numbered consecutively."""
        return Flow(numbered(segment.order for segment in self.segments), self.lanes)

    @property
    def output(self) -> Flow:
        """The same elements in the same order."""
        return self.input


def numbered(orders: Iterable[Order]) -> Order:
    """One order that consists of `orders`, one behind the other; their elements are numbered consecutively."""
    joined: list[int | None] = []
    first = 0
    for order in orders:
        joined += [None if index is None else first + index for index in order]
        first += sum(index is not None for index in order)
    return tuple(joined)
