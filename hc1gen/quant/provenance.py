"""A Merkle tree over the quantised tensors: its root, 256 bits, names all that is hardwired. docs/provenance.md.

SHA-256 in the tree of RFC 6962: leaves and nodes are hashed under different first bytes, and the last node of a level
that has no partner goes up as it is. A number is 4 bytes, little-endian, two's complement.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEAF, NODE = b"\0", b"\1"
"""First bytes of what is hashed for a leaf and for a node."""
ROOT_BITS = 256
PARAMETERS = "parameters"
"""Name of the leaf that says what the integers mean. No tensor has it: their names end in `.weight`."""


@dataclass(frozen=True)
class Leaf:
    """A named byte string; `shape` is that of the tensor in it."""

    name: str
    content: bytes
    shape: tuple[int, ...] = ()

    @property
    def digest(self) -> bytes:
        name = self.name.encode()
        return hashlib.sha256(LEAF + _bytes([len(name)]) + name + self.content).digest()


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor as it is hardwired: integers of any shape, and for each row a mantissa and a right shift, or neither."""

    name: str
    integers: np.ndarray
    mantissa: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def leaf(self) -> Leaf:
        """Number of dimensions, dimensions, integers row by row, number of scales, mantissas, shifts."""
        numbers: list[Sequence[int] | np.ndarray] = [[self.integers.ndim, *self.integers.shape], self.integers]
        numbers += [[len(self.mantissa)], self.mantissa, self.shift]
        return Leaf(self.name, b"".join(_bytes(each) for each in numbers), self.integers.shape)


def parameters_leaf(parameters: Mapping[str, Any]) -> Leaf:
    """What is not a tensor but decides what the tensors mean, as JSON: sorted keys, no spaces, ASCII."""
    return Leaf(PARAMETERS, json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode())


def node(left: bytes, right: bytes) -> bytes:
    """The digest over two digests."""
    return hashlib.sha256(NODE + left + right).digest()


def root(digests: Sequence[bytes]) -> bytes:
    """The root over the digests of at least one leaf."""
    level = list(digests)
    while len(level) > 1:
        pairs = [node(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]


def _bytes(values: Sequence[int] | np.ndarray) -> bytes:
    """Row by row; `OverflowError` where a value has no 32 bits."""
    exact = np.asarray(values, np.int64)
    if exact.size and np.abs(exact).max() >= 1 << 31:
        raise OverflowError(f"{np.abs(exact).max()} does not fit 32 bits")
    return exact.astype("<i4").tobytes()
