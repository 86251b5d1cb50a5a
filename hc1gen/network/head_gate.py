"""The gate in front of the LM head: it lets only those tokens pass whose successor is wanted."""

from dataclasses import dataclass

from .node import SameOrder


@dataclass(frozen=True)
class HeadGate(SameOrder):
    """The gate; a vector passes whole or not at all."""
