"""Block floating point in front of a matrix: a vector becomes mantissas under one power-of-two exponent."""

from dataclasses import dataclass

from .node import Flow, Node, Order


@dataclass(frozen=True)
class BlockFloat(Node):
    """kind: which of the layer's vectors it quantises; in_bits: of an element; act_bits: of a mantissa."""

    kind: str
    order: Order
    lanes: int
    in_bits: int
    act_bits: int

    @property
    def input(self) -> Flow:
        """A vector, twice: for its exponent, and to be cut to it."""
        return Flow(self.order, self.lanes, passes=2)

    @property
    def output(self) -> Flow:
        """Bit-planes with an exponent."""
        return Flow(self.order, 1, planes=True)

    @property
    def exponents(self) -> range:
        """What the exponent can be."""
        return range(max(0, self.in_bits - self.act_bits) + 1)
