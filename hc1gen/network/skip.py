"""The skip connection round a sublayer: where it leaves the residual stream, and where it comes back."""

from dataclasses import dataclass

from .node import Flow, Node, Order


@dataclass(frozen=True)
class Branch(Node):
    """The residual stream is kept, and its vector goes into a sublayer: twice, since what stands at the beginning of a
    sublayer finds the vector's exponent in the first pass."""

    order: Order
    lanes: int

    @property
    def input(self) -> Flow:
        """The residual stream."""
        return Flow(self.order, self.lanes)

    @property
    def output(self) -> Flow:
        """The same vector, twice."""
        return Flow(self.order, self.lanes, passes=2)


@dataclass(frozen=True)
class Residual(Node):
    """What a sublayer gives is added to the residual stream that `Branch` kept, saturated to its width."""

    order: Order
    lanes: int

    @property
    def input(self) -> Flow:
        """What the sublayer gives."""
        return Flow(self.order, self.lanes)

    @property
    def output(self) -> Flow:
        """The sum."""
        return Flow(self.order, self.lanes)
