"""How the clocks of a token are added up: every node says what it adds, in the file of its block.

`clocks` is what a node's file registers; `Walk` is a token's way through a stage, node by node. A step ends with a word
on an output of the stage: the first of a vector's first pass, the last of its first pass, or the last of all passes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import NamedTuple

from amaranth.lib import wiring

from ..network import Linear, Node, Stage


class Step(NamedTuple):
    """What happens to a token, and how many clocks it adds to those of the steps before it.

    net: the stream, as the stage's netlist names it, on which the step ends; share: how many of its words have passed
    by then, as a share of all passes; 0 for the first word.
    """

    name: str
    clocks: int
    net: str = ""
    share: float = 1.0


def total(steps: Iterable[Step]) -> int:
    """Clocks of all steps."""
    return sum(step.clocks for step in steps)


@dataclass
class Walk:
    """A token on its way through a stage.

    blocks: by kind; position: of the token; elapsed: clocks since its first beat came into the stage; linear: the
    linear node behind which the token is, or None, and linear_began: `elapsed` at its first bit-plane.
    """

    blocks: Mapping[str, wiring.Component]
    stage: Stage
    position: int
    elapsed: int = 0
    linear: Linear | None = None
    linear_began: int = 0

    def unit(self, name: str) -> str:
        """The name of a block that several nodes of the stage share."""
        return name if self.stage.purpose else f"{self.stage.kind}_{name}"

    def shared(self, kind: str) -> wiring.Component:
        """The block itself."""
        return self.blocks[f"{kind}_{self.stage.kind}"]


@singledispatch
def clocks(node: Node, walk: Walk) -> list[Step]:
    """What `node` adds to a token's clocks, where nothing stalls. `TypeError` where no file says it."""
    raise TypeError(f"nothing says how many clocks {type(node).__name__}, the kind of node {node.name}, takes")
