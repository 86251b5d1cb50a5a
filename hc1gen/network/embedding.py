"""The embedding: a token becomes its row of a hardwired table, times the scale of the row."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .node import Flow, Node, Order, order_problems
from .tensor import Tensor, Tensors


@dataclass(frozen=True)
class Embedding(Node):
    """The embedding of a model.

    Parameters
        module: name of the module of the ROM.
        tensor: name of the table [vocab, width].
        vocab: rows of the table.
        width: columns of the table.
        order, lanes: order and lanes of the residual stream.
    """

    module: str
    tensor: str
    vocab: int
    width: int
    order: Order
    lanes: int

    def problems(self) -> Iterable[str]:
        """What is wrong with the order, which must hold every column once."""
        return order_problems("columns", self.order, self.width, self.lanes)

    @property
    def input(self) -> Flow:
        """A token."""
        return Flow((0,), 1)

    @property
    def output(self) -> Flow:
        """The residual stream."""
        return Flow(self.order, self.lanes)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The name of the table."""
        return (self.tensor,)

    def hardwired(self, model: Tensors) -> Iterable[Tensor]:
        """The table, with a mantissa for each row, its scale; the right shifts are 0."""
        table = model.table(self.tensor)
        yield Tensor(table.name, table.weights, table.scale, np.zeros_like(table.scale))
