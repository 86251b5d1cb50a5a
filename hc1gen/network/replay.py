"""The replay buffer: it is between a node that gives a vector once and a node that needs it in two passes."""

from dataclasses import dataclass, replace

from .node import Flow, SameOrder


@dataclass(frozen=True)
class Replay(SameOrder):
    """A replay buffer.

    Parameters
        order, lanes: order and lanes of the vector.
        kind: which vector of the model it keeps. Buffers of one kind share a module.
        bits: signed width of an element.
    """

    kind: str
    bits: int

    @property
    def output(self) -> Flow:
        """The same vector in two passes."""
        return replace(self.input, passes=2)
