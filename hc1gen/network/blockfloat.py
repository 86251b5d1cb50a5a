"""Block floating point in front of a matrix: a vector becomes mantissas with one common power-of-two exponent."""

from dataclasses import dataclass

from .node import Flow, Node, Order


@dataclass(frozen=True)
class BlockFloat(Node):
    """A quantiser: it finds the exponent of a vector and cuts the vector to mantissas.

    Parameters
        kind: which vector of the layer it quantises. Quantisers of one kind share a module.
        order: order of the elements.
        lanes: lanes of a beat.
        in_bits: signed width of an element.
        act_bits: signed width of a mantissa.
    """

    kind: str
    order: Order
    lanes: int
    in_bits: int
    act_bits: int

    @property
    def input(self) -> Flow:
        """A vector in two passes: the first for its exponent, the second for its mantissas."""
        return Flow(self.order, self.lanes, passes=2)

    @property
    def output(self) -> Flow:
        """The bit-planes of the mantissas, with the exponent."""
        return Flow(self.order, 1, planes=True)

    @property
    def exponents(self) -> range:
        """Every value that the exponent can have."""
        return range(max(0, self.in_bits - self.act_bits) + 1)
