"""What all nodes of a network have in common: a name, an input vector and an output vector."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import InputError
from .tensor import Tensor, Tensors

Order = tuple[int | None, ...]
"""The element of a vector that each lane of each beat holds, beat after beat; None is padding."""


def beats_of(order: Iterable[int | None], lanes: int) -> Order:
    """`order`, padded with None to whole beats of `lanes` elements."""
    order = tuple(order)
    return order + (None,) * (-len(order) % lanes)


def places(order: Sequence[int | None]) -> list[int]:
    """For each element of a vector, its place in `order`."""
    where = {index: place for place, index in enumerate(order) if index is not None}
    return [where[index] for index in range(len(where))]


@dataclass(frozen=True)
class Flow:
    """How a vector travels from one node to the next.

    Parameters
        order: order of the elements.
        lanes: elements of a beat; 1 for bit-planes.
        passes: how often the whole vector passes.
        planes: whether it travels as bit-planes, least significant plane first, instead of beats.
    """

    order: Order
    lanes: int
    passes: int = 1
    planes: bool = False

    def __str__(self) -> str:
        size = sum(index is not None for index in self.order)
        kind = "bit-planes" if self.planes else f"beats of {self.lanes} lanes"
        return f"{size} elements in {kind}, passing {self.passes} times"


@dataclass(frozen=True)
class Node:
    """One step of a model. Its `name` is unique within its stage.

    A node checks itself when it is made. It raises `InputError` with everything that is wrong with it.
    """

    name: str

    def __post_init__(self) -> None:
        if found := list(self.problems()):
            raise InputError(f"node {self.name}", found)

    def problems(self) -> Iterable[str]:
        """Everything that is wrong with the node, one sentence each; nothing if it is correct."""
        return ()

    @property
    def input(self) -> Flow:
        """The flow of the vector that the node takes."""
        raise NotImplementedError

    @property
    def output(self) -> Flow:
        """The flow of the vector that the node gives."""
        raise NotImplementedError

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors that are hardwired in the node, in the order of the Merkle tree."""
        return ()

    def hardwired(self, model: Tensors) -> Iterable[Tensor]:
        """The node's tensors in the integers of the chip, in the order of `tensors`."""
        return ()


@dataclass(frozen=True)
class SameOrder(Node):
    """A node that gives a vector in the order in which it takes it. order, lanes: those of the vector."""

    order: Order
    lanes: int

    @property
    def input(self) -> Flow:
        """The vector, in one pass."""
        return Flow(self.order, self.lanes)

    @property
    def output(self) -> Flow:
        """The vector, in one pass."""
        return self.input


def order_problems(what: str, order: Order, size: int, lanes: int) -> Iterable[str]:
    """What is wrong with `order`, which must hold each of `size` elements once, in whole beats of `lanes` elements.

    `what` names the elements in the message.
    """
    held = sorted(index for index in order if index is not None)
    if held != list(range(size)):
        yield f"{what}: got {len(held)} places, expected each of the {size} elements once"
    if len(order) % lanes:
        yield f"{what}: got {len(order)} places, expected whole beats of {lanes} lanes"
