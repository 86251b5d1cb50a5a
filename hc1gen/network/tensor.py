"""A tensor in the integers of the chip, and its leaf in the Merkle tree.

Every number in a leaf has 4 bytes, little-endian, two's complement. The format is in docs/provenance.md.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

LEAF = b"\0"
"""First byte of what is hashed for a leaf. A node has another first byte (RFC 6962)."""


class Tensors(Protocol):
    """The tensors of a quantised model by name, as nodes ask for them. `QuantizedModel` is such."""

    def matrix(self, tensor: str) -> Any:
        """Weights, row mantissas and exponents."""

    def gain(self, tensor: str) -> Any:
        """Gains of a norm, and their fraction bits."""

    def table(self, tensor: str) -> Any:
        """Rows of the embedding, and their scales."""


@dataclass(frozen=True)
class Leaf:
    """A byte string with a name. shape: shape of the tensor in it, or () if it is not a tensor."""

    name: str
    content: bytes
    shape: tuple[int, ...] = ()

    @property
    def digest(self) -> bytes:
        """SHA-256, 32 bytes, over LEAF, the length of the name, the name and the content."""
        name = self.name.encode()
        return hashlib.sha256(LEAF + _bytes([len(name)]) + name + self.content).digest()


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor as it is hardwired.

    Parameters
        name: its name in the checkpoint.
        integers: integers of any shape.
        mantissa: int64 [rows], mantissa of the scale of each row; empty if the tensor has no scales.
        shift: int64 [rows], right shift of each row after the multiplication by its mantissa; empty likewise.
    """

    name: str
    integers: np.ndarray
    mantissa: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def leaf(self) -> Leaf:
        """The leaf: number of dimensions, dimensions, integers row by row, number of scales, mantissas, shifts.

        `OverflowError` if one of them does not fit 32 bits.
        """
        numbers: list[Sequence[int] | np.ndarray] = [[self.integers.ndim, *self.integers.shape], self.integers]
        numbers += [[len(self.mantissa)], self.mantissa, self.shift]
        return Leaf(self.name, b"".join(_bytes(each) for each in numbers), self.integers.shape)


def _bytes(values: Sequence[int] | np.ndarray) -> bytes:
    """The numbers row by row, 4 bytes each; `OverflowError` if a value does not fit 32 bits."""
    exact = np.asarray(values, np.int64)
    if exact.size and np.abs(exact).max() >= 1 << 31:
        raise OverflowError(f"{np.abs(exact).max()} does not fit 32 bits")
    return exact.astype("<i4").tobytes()
