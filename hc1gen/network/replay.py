"""The replay buffer: it is between a node that gives a vector once and a node that needs it in two passes."""

from dataclasses import dataclass

from .node import Flow, Node, Order


@dataclass(frozen=True)
class Replay(Node):
    """A replay buffer.

    Parameters
        kind: which vector of the model it keeps. Buffers of one kind share a module.
        order, lanes: order and lanes of the vector.
        bits: signed width of an element.
    """

    kind: str
    order: Order
    lanes: int
    bits: int

    @property
    def input(self) -> Flow:
        """A vector in one pass."""
        return Flow(self.order, self.lanes)

    @property
    def output(self) -> Flow:
        """The same vector in two passes."""
        return Flow(self.order, self.lanes, passes=2)
