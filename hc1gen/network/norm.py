"""RMSNorm (Zhang and Sennrich 2019) in front of a matrix: mantissas times gains under one exponent and one factor."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .node import Flow, Node, Order, order_problems
from .tensor import Tensor

if TYPE_CHECKING:
    from ..quant.quantized import QuantizedModel


@dataclass(frozen=True)
class Norm(Node):
    """tensor: the gains [width]; module: of the table that holds them; passes: of the bit-planes that it gives."""

    module: str
    tensor: str
    width: int
    order: Order
    lanes: int
    passes: int

    def problems(self) -> Iterable[str]:
        """The order holds every element once."""
        return order_problems("elements", self.order, self.width, self.lanes)

    @property
    def input(self) -> Flow:
        """A vector, twice: for its exponent, and to be cut to it."""
        return Flow(self.order, self.lanes, passes=2)

    @property
    def output(self) -> Flow:
        """Bit-planes with an exponent and a factor."""
        return Flow(self.order, 1, self.passes, planes=True)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The gains."""
        return (self.tensor,)

    def hardwired(self, model: "QuantizedModel") -> Iterable[Tensor]:
        """The gains."""
        yield Tensor(self.tensor, model.gain(self.tensor).gain)
