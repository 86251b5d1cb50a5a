"""How the clocks of a token are added up. The file of each block registers the clocks that its node adds.

A file registers a function for its type of node with `clocks.register`. `Walk` is the state of a token on its way
through a stage, node by node. A step ends with a word on a stream: the first word of a vector's first pass, the last
word of its first pass, or the last word of all its passes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import NamedTuple

from amaranth.lib import wiring

from ..network import Linear, Node, Stage


class Step(NamedTuple):
    """A step of a token, and the clocks that it adds to the steps before it.

    Parameters
        name: what happens.
        clocks: clocks from the end of the step before.
        net: name of the stream, in the netlist of the stage, on which the step ends; empty if the step can only be
            measured together with the step behind it.
        share: which word the step ends with: the words that have passed by then, divided by the words of all passes; 0
            stands for the first word.
    """

    name: str
    clocks: int
    net: str = ""
    share: float = 1.0


def total(steps: Iterable[Step]) -> int:
    """The sum of the clocks of all steps."""
    return sum(step.clocks for step in steps)


@dataclass
class Walk:
    """A token on its way through a stage.

    Parameters
        blocks: kind → block.
        stage: the stage.
        position: position of the token in the text.
        elapsed: clocks since the first beat of the token entered the stage.
        linear: the last linear node that the token has passed, or None.
        linear_began: `elapsed` at the first bit-plane of that node.
    """

    blocks: Mapping[str, wiring.Component]
    stage: Stage
    position: int
    elapsed: int = 0
    linear: Linear | None = None
    linear_began: int = 0

    def unit(self, name: str) -> str:
        """The name of an instance that several nodes of the stage share (see `Wiring.shared`)."""
        return name if self.stage.purpose else f"{self.stage.kind}_{name}"

    def shared(self, kind: str) -> wiring.Component:
        """The block of that instance; `kind` without the kind of the stage."""
        return self.blocks[f"{kind}_{self.stage.kind}"]


@singledispatch
def clocks(node: Node, walk: Walk) -> list[Step]:
    """The steps that `node` adds to the clocks of a token if nothing outside the chip stalls.

    `TypeError` if no function is registered for this type of node.
    """
    raise TypeError(f"no clocks are registered for {type(node).__name__}, the kind of node {node.name}")
