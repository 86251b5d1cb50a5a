"""A model on a chip as one value: its nodes, in the order in which a token passes them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from ..errors import InputError
from .linear import Linear, Projection
from .node import Node
from .plan import Plan

N = TypeVar("N", bound=Node)
"""A type of node."""


@dataclass(frozen=True)
class Stage:
    """A part of the network whose blocks are together in one module.

    Parameters
        kind: all stages of one kind consist of the same blocks.
        name: name of the stage. If the stage is a module of its own, the module is called `plan.prefix + name`.
        nodes: the nodes of the stage.
        purpose: the comment at the top of the module; None if the blocks of the stage are in the module of the model.
    """

    kind: str
    name: str
    nodes: tuple[Node, ...]
    purpose: str | None = None

    def of(self, kind: type[N]) -> tuple[N, ...]:
        """The nodes of one type."""
        return tuple(node for node in self.nodes if isinstance(node, kind))

    def behind(self, node: Node) -> Node | None:
        """The node behind `node`; None if `node` is the last one of the stage."""
        following = self.nodes[self.nodes.index(node) + 1 :]
        return following[0] if following else None


@dataclass(frozen=True)
class Network:
    """The nodes of a model, stage by stage, and the plan of its hardware.

    The chip, its manifest, its proof and its costs get everything about the structure of the model from this list.

    Raises `InputError` if the output of a node is not the input of the next one, or if a tensor is hardwired twice.
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
        """Neighbours whose vectors differ."""
        for before, after in zip(self.nodes, self.nodes[1:], strict=False):
            if before.output != after.input:
                yield f"{before.name} gives {before.output}, {after.name} takes {after.input}"

    def _tensor_problems(self) -> Iterator[str]:
        """Tensors that are hardwired more than once."""
        for tensor, count in sorted(Counter(self.tensors).items()):
            if count > 1:
                yield f"{tensor}: hardwired in more than one node"
