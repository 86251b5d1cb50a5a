"""SwiGLU (Shazeer 2020), the gate of the MLP: the intermediate vector is silu(gate) * up."""

from dataclasses import dataclass
from functools import cached_property

from ..numeric.numerics import Numerics
from .node import Flow, Node, Order, beats_of


@dataclass(frozen=True)
class SwiGlu(Node):
    """The gate of the MLP.

    Parameters
        size: elements of the intermediate vector.
        pairs: pairs of gate and up in a beat.
        n: widths and tables.
    """

    size: int
    pairs: int
    n: Numerics

    @cached_property
    def rows(self) -> Order:
        """Order of the rows: a row of gate and its row of up alternate. Up's rows are numbered behind those of gate."""
        pairs = ((i, self.size + i) for i in range(self.size))
        return beats_of((row for pair in pairs for row in pair), 2 * self.pairs)

    @cached_property
    def intermediate(self) -> Order:
        """Order of the intermediate vector."""
        return beats_of(range(self.size), self.pairs)

    @property
    def input(self) -> Flow:
        """Gates and ups in two passes, because SwiGLU stores nothing and the intermediate vector must pass twice."""
        return Flow(self.rows, 2 * self.pairs, passes=2)

    @property
    def output(self) -> Flow:
        """The intermediate vector in two passes."""
        return Flow(self.intermediate, self.pairs, passes=2)
