"""The embedding: a token becomes its row of a hardwired table, times the row's scale."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .node import Flow, Node, Order, order_problems
from .tensor import Tensor

if TYPE_CHECKING:
    from ..quant.quantized import QuantizedModel


@dataclass(frozen=True)
class Embedding(Node):
    """tensor: [vocab, width], looked up; module: of the ROM that holds it; order, lanes: of the residual stream."""

    module: str
    tensor: str
    vocab: int
    width: int
    order: Order
    lanes: int

    def problems(self) -> Iterable[str]:
        """The order holds every column once."""
        return order_problems("columns", self.order, self.width, self.lanes)

    @property
    def input(self) -> Flow:
        """Tokens."""
        return Flow((0,), 1)

    @property
    def output(self) -> Flow:
        """The residual stream."""
        return Flow(self.order, self.lanes)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The table."""
        return (self.tensor,)

    def hardwired(self, model: "QuantizedModel") -> Iterable[Tensor]:
        """The table, with a scale for each row."""
        table = model.table(self.tensor)
        yield Tensor(table.name, table.weights, table.scale, np.zeros_like(table.scale))
