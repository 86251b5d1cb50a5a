"""The skip connection around a sublayer: `Branch` is where it begins, `Residual` where it ends."""

from dataclasses import dataclass

from .node import Flow, Node, Order


@dataclass(frozen=True)
class Branch(Node):
    """Keeps the residual stream and gives it to a sublayer.

    The vector passes twice, because the norm at the beginning of a sublayer finds its exponent in the first pass.
    order, lanes: order and lanes of the residual stream.
    """

    order: Order
    lanes: int

    @property
    def input(self) -> Flow:
        """The residual stream."""
        return Flow(self.order, self.lanes)

    @property
    def output(self) -> Flow:
        """The same vector in two passes."""
        return Flow(self.order, self.lanes, passes=2)


@dataclass(frozen=True)
class Residual(Node):
    """Adds the result of a sublayer to the residual stream that `Branch` kept, and saturates the sum.

    order, lanes: order and lanes of the residual stream.
    """

    order: Order
    lanes: int

    @property
    def input(self) -> Flow:
        """The result of the sublayer."""
        return Flow(self.order, self.lanes)

    @property
    def output(self) -> Flow:
        """The residual stream behind the sublayer."""
        return Flow(self.order, self.lanes)
