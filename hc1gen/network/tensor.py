"""A tensor as it stands on the chip, and the leaf of the Merkle tree that names it. A number is 4 bytes, little-endian,
two's complement. docs/provenance.md has the format."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

LEAF = b"\0"
"""First byte of what is hashed for a leaf: a node begins otherwise (RFC 6962)."""


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


def _bytes(values: Sequence[int] | np.ndarray) -> bytes:
    """Row by row; `OverflowError` where a value has no 32 bits."""
    exact = np.asarray(values, np.int64)
    if exact.size and np.abs(exact).max() >= 1 << 31:
        raise OverflowError(f"{np.abs(exact).max()} does not fit 32 bits")
    return exact.astype("<i4").tobytes()
