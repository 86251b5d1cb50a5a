"""The replay buffer: a vector that the next node needs twice and the one before gives once."""

from dataclasses import dataclass

from .node import Flow, Node, Order


@dataclass(frozen=True)
class Replay(Node):
    """kind: which of the model's vectors it keeps; bits: of an element."""

    kind: str
    order: Order
    lanes: int
    bits: int

    @property
    def input(self) -> Flow:
        """A vector, once."""
        return Flow(self.order, self.lanes)

    @property
    def output(self) -> Flow:
        """The same vector, twice."""
        return Flow(self.order, self.lanes, passes=2)
