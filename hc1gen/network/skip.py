"""The skip connection around a sublayer: `Branch` is where it begins, `Residual` where it ends."""

from dataclasses import dataclass, replace

from .node import Flow, SameOrder


@dataclass(frozen=True)
class Branch(SameOrder):
    """Keeps the residual stream and gives it to a sublayer.

    The vector passes twice, because the norm at the beginning of a sublayer finds its exponent in the first pass.
    """

    @property
    def output(self) -> Flow:
        """The same vector in two passes."""
        return replace(self.input, passes=2)


@dataclass(frozen=True)
class Residual(SameOrder):
    """Adds the result of a sublayer to the residual stream that `Branch` kept, and saturates the sum."""
