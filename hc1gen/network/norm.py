"""RMSNorm (Zhang and Sennrich 2019) in front of a matrix: mantissas times gains, with one exponent and one factor."""

from collections.abc import Iterable
from dataclasses import dataclass

from .node import Flow, Node, Order, order_problems
from .tensor import Tensor, Tensors


@dataclass(frozen=True)
class Norm(Node):
    """The norm in front of a linear node.

    Parameters
        module: name of the module of the table that holds the gains.
        tensor: name of the gains [width].
        width: elements of the vector.
        order, lanes: order and lanes of the residual stream.
        passes: how often all its bit-planes pass.
    """

    module: str
    tensor: str
    width: int
    order: Order
    lanes: int
    passes: int

    def problems(self) -> Iterable[str]:
        """What is wrong with the order, which must hold every element once."""
        return order_problems("elements", self.order, self.width, self.lanes)

    @property
    def input(self) -> Flow:
        """A vector in two passes: the first for its exponent, the second for its mantissas."""
        return Flow(self.order, self.lanes, passes=2)

    @property
    def output(self) -> Flow:
        """The bit-planes of mantissa times gain, with an exponent and a factor."""
        return Flow(self.order, 1, self.passes, planes=True)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The name of the gains."""
        return (self.tensor,)

    def hardwired(self, model: Tensors) -> Iterable[Tensor]:
        """The gains, without scales."""
        yield Tensor(self.tensor, model.gain(self.tensor).gain)
