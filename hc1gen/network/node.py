"""What all nodes of a network have in common: a name, a vector that comes in, a vector that goes out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from .tensor import Tensor

if TYPE_CHECKING:
    from ..quant.quantized import QuantizedModel

Order = tuple[int | None, ...]
"""Which element of a vector each lane of each beat holds, beat after beat; None where a lane is padding."""


def beats_of(order: Iterable[int | None], lanes: int) -> Order:
    """`order`, padded with None to whole beats of `lanes`."""
    order = tuple(order)
    return order + (None,) * (-len(order) % lanes)


def places(order: Sequence[int | None]) -> list[int]:
    """For every element of a vector, the place that it has in `order`."""
    where = {index: place for place, index in enumerate(order) if index is not None}
    return [where[index] for index in range(len(where))]


@dataclass(frozen=True)
class Flow:
    """How a vector travels from one node to the next: as beats of `lanes` elements, or as `planes`, one bit of all
    elements at a time, least significant bits first. A vector passes `passes` times, each time whole."""

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
    """One step of a model. `name` tells it from the other nodes of its stage.

    A node checks itself when it is made and raises `InputError` with everything that is wrong with it.
    """

    name: str

    def __post_init__(self) -> None:
        if found := list(self.problems()):
            raise InputError(f"node {self.name}", found)

    def problems(self) -> Iterable[str]:
        """What is wrong with the node, in words; nothing where it is sound."""
        return ()

    @property
    def input(self) -> Flow:
        """The vector that the node takes."""
        raise NotImplementedError

    @property
    def output(self) -> Flow:
        """The vector that the node gives."""
        raise NotImplementedError

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors that are hardwired in the node, in the order of the Merkle tree."""
        return ()

    def hardwired(self, model: "QuantizedModel") -> Iterable[Tensor]:
        """The node's tensors as they stand on the chip, in the order of `tensors`."""
        return ()


def order_problems(what: str, order: Order, size: int, lanes: int) -> Iterable[str]:
    """What keeps `order` from holding each of `size` elements once, in whole beats of `lanes`."""
    held = sorted(index for index in order if index is not None)
    if held != list(range(size)):
        yield f"{what}: got {len(held)} places, expected each of the {size} elements once"
    if len(order) % lanes:
        yield f"{what}: got {len(order)} places, expected whole beats of {lanes} lanes"
