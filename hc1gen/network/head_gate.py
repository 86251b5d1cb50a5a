"""The gate in front of the language-model head: only tokens whose successor is wanted pass."""

from dataclasses import dataclass

from .node import Flow, Node, Order


@dataclass(frozen=True)
class HeadGate(Node):
    """order, lanes: of the residual stream."""

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
