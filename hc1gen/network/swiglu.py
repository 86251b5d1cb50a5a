"""The gate of a gated MLP, SwiGLU (Shazeer 2020): silu(gate) * up."""

from dataclasses import dataclass
from functools import cached_property

from ..numeric.numerics import Numerics
from .node import Flow, Node, Order, beats_of


@dataclass(frozen=True)
class SwiGlu(Node):
    """size: elements of the intermediate vector; pairs: of gate and up in a beat; n: widths and tables."""

    size: int
    pairs: int
    n: Numerics

    @cached_property
    def rows(self) -> Order:
        """Rows of gate and up (numbered behind gate's), alternating."""
        pairs = ((i, self.size + i) for i in range(self.size))
        return beats_of((row for pair in pairs for row in pair), 2 * self.pairs)

    @cached_property
    def intermediate(self) -> Order:
        """Elements of the intermediate vector."""
        return beats_of(range(self.size), self.pairs)

    @property
    def input(self) -> Flow:
        """Gates and ups, as often as the intermediate vector is needed behind."""
        return Flow(self.rows, 2 * self.pairs, passes=2)

    @property
    def output(self) -> Flow:
        """The intermediate vector, twice."""
        return Flow(self.intermediate, self.pairs, passes=2)
