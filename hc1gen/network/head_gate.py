"""The gate in front of the LM head: it lets only those tokens pass whose successor is wanted."""

from dataclasses import dataclass

from .node import Flow, Node, Order


@dataclass(frozen=True)
class HeadGate(Node):
    """The gate. order, lanes: order and lanes of the residual stream."""

    order: Order
    lanes: int

    @property
    def input(self) -> Flow:
        """The residual stream."""
        return Flow(self.order, self.lanes)

    @property
    def output(self) -> Flow:
        """The same vector."""
        return Flow(self.order, self.lanes)
