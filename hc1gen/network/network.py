"""A model on a chip as one value: its nodes, in the order in which a token meets them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from ..errors import InputError
from .linear import Linear, Projection
from .node import Node
from .plan import Plan

N = TypeVar("N", bound=Node)


@dataclass(frozen=True)
class Stage:
    """Nodes that stand together on the chip; all stages of one `kind` are made of the same blocks.

    purpose: what a reader of its Verilog module wants to know first, where the stage is a module of its own, called
    `name` behind the plan's prefix; None where its blocks stand in the model's module.
    """

    kind: str
    name: str
    nodes: tuple[Node, ...]
    purpose: str | None = None

    def of(self, kind: type[N]) -> tuple[N, ...]:
        """The stage's nodes of one type."""
        return tuple(node for node in self.nodes if isinstance(node, kind))

    def behind(self, node: Node) -> Node | None:
        """The node that takes what `node` gives, or None behind the stage's last one."""
        following = self.nodes[self.nodes.index(node) + 1 :]
        return following[0] if following else None


@dataclass(frozen=True)
class Network:
    """The nodes of a model, stage by stage, and the plan of its hardware. Everything that the chip, its manifest, its
    proof and its costs need to know of the structure of a model follows from this list.

    Raises `InputError` where a node gives another vector than the next one takes, or a tensor is hardwired twice.
    """

    plan: Plan
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if found := [*self._joint_problems(), *self._tensor_problems()]:
            raise InputError(f"network of the {self.plan.name}", found)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, in the order of the data."""
        return tuple(node for stage in self.stages for node in stage.nodes)

    def of(self, kind: type[N]) -> tuple[N, ...]:
        """The nodes of one type, in the order of the data."""
        return tuple(node for node in self.nodes if isinstance(node, kind))

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of all hardwired tensors, in the order of the Merkle tree."""
        return tuple(tensor for node in self.nodes for tensor in node.tensors)

    @property
    def projections(self) -> dict[str, Projection]:
        """The matrices of all linear nodes, by the names of their tensors."""
        return {each.tensor: each for node in self.of(Linear) for each in node.projections}

    def _joint_problems(self) -> Iterator[str]:
        for before, after in zip(self.nodes, self.nodes[1:], strict=False):
            if before.output != after.input:
                yield f"{before.name} gives {before.output}, {after.name} takes {after.input}"

    def _tensor_problems(self) -> Iterator[str]:
        for tensor in sorted({t for t in self.tensors if self.tensors.count(t) > 1}):
            yield f"{tensor}: hardwired in more than one node"
