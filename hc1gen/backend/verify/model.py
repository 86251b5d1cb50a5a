"""The parts of a model that hold numbers, each in a Verilog module: how it is read, and what is expected of it.

A part is a tile, the gains of a norm, or the embedding. What is expected follows from the network and from the
checkpoint's tensors alone, and never from the code that writes the modules.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from ...network import Embedding, Linear, Network, Node, Norm, places
from ...network.tensor import Tensor
from ...quant.grid import row_bits
from ...quant.quantized import QuantizedModel
from .difference import Difference, of_tensors
from .jobs import Reading, Result, Shape, Source, TableJob, TileJob
from .tables import signed


@dataclass(frozen=True)
class TilePart:
    """The part of the model in the tile of a linear node. expected: its tensors, in the order of their rows."""

    node: Linear
    expected: tuple[Tensor, ...]

    @property
    def module(self) -> str:
        """Name of the module that holds the part."""
        return self.node.module

    def job(self, source: Source) -> TileJob:
        """Returns the job that reads the tile."""
        node, vectors = self.node, self.node.source
        return TileJob(source, Shape(node.lanes, node.beats, vectors.act_bits, vectors.drop_bits, node.row_groups))

    def tensors(self, reading: Result) -> list[Tensor]:
        """Returns the tensors that were read, in the order of the checkpoint."""
        assert isinstance(reading, Reading)
        rows, columns, found, first = places(self.node.rows), places(self.node.columns), [], 0
        weights = reading.weights[np.ix_(rows, columns)]
        mantissa, shift = reading.mantissa[rows], reading.shift[rows]
        for each in self.expected:
            own = slice(first, first + len(each.integers))
            found.append(Tensor(each.name, weights[own], mantissa[own], shift[own]))
            first = own.stop
        return found

    def differences(self, where: str, reading: Result) -> Iterator[Difference]:
        """Yields where the tile differs from the checkpoint. where: the file of the tile.

        Wrong numbers are reported by tensor, row and column; other faults, and weights in padding, by row, place or
        lane.
        """
        assert isinstance(reading, Reading)
        for place, fault in sorted(reading.faults.items()):
            row = self.node.rows[place]
            name, own = self._owner(row)
            at = f"{name}, row {own}" if row is not None else f"place {place}, which holds no row"
            yield Difference("circuit", where, f"{at}: {fault}", tensor=name, row=own)
        read = np.array([place not in reading.unread for place in places(self.node.rows)])
        for found, expected in zip(self.tensors(reading), self.expected, strict=True):
            rows, read = np.split(read, [len(expected.integers)])
            yield from of_tensors(where, found, expected, rows)
        padding_rows = [place for place, row in enumerate(self.node.rows) if row is None]
        padding_columns = [lane for lane, column in enumerate(self.node.columns) if column is None]
        for place in padding_rows:
            if reading.weights[place].any():
                yield Difference("circuit", where, f"place {place}, which holds no row, has weights")
        for lane in padding_columns:
            if reading.weights[:, lane].any():
                yield Difference("circuit", where, f"lane {lane}, which holds no column, has weights")

    def _owner(self, row: int | None) -> tuple[str | None, int | None]:
        """Returns (tensor, row of this tensor) of a row of the tile; (None, None) for padding."""
        for each in self.expected:
            if row is None:
                break
            if row < len(each.integers):
                return each.name, row
            row -= len(each.integers)
        return None, None


@dataclass(frozen=True)
class GainPart:
    """The part of the model in the table of a norm: its gains, of `bits` bits each."""

    node: Norm
    expected: Tensor
    bits: int

    @property
    def module(self) -> str:
        """Name of the module that holds the part."""
        return self.node.module

    def job(self, source: Source) -> TableJob:
        """Returns the job that reads the gains."""
        return TableJob(source, "beat", len(self.node.order) // self.node.lanes, (("gain", self.node.lanes),))

    def tensors(self, found: Result) -> list[Tensor]:
        """Returns the tensor that was read."""
        assert isinstance(found, dict)
        gains = signed(found["gain"].reshape(-1)[places(self.node.order)], self.bits)
        return [Tensor(self.expected.name, gains)]

    def differences(self, where: str, found: Result) -> Iterator[Difference]:
        """Yields where the tensor differs from the checkpoint. where: the file of the module."""
        yield from of_tensors(where, self.tensors(found)[0], self.expected)


@dataclass(frozen=True)
class EmbeddingPart:
    """The part of the model in the embedding ROM: the rows and their scales."""

    node: Embedding
    expected: Tensor

    @property
    def module(self) -> str:
        """Name of the module that holds the part."""
        return self.node.module

    def job(self, source: Source) -> TableJob:
        """Returns the job that reads the ROM."""
        lanes = (("row", len(self.node.order)), ("scale", 1), ("mirrored", 1))
        return TableJob(source, "token", self.node.vocab, lanes)

    def tensors(self, found: Result) -> list[Tensor]:
        """Returns the tensor that was read."""
        assert isinstance(found, dict)
        weights = signed(found["row"], int(row_bits(self.expected.integers).max()))[:, places(self.node.order)]
        weights = np.where(found["mirrored"] == 1, -weights, weights)
        scale = found["scale"][:, 0]
        return [Tensor(self.expected.name, weights, scale, np.zeros_like(scale))]

    def differences(self, where: str, found: Result) -> Iterator[Difference]:
        """Yields where the tensor differs from the checkpoint. where: the file of the module."""
        yield from of_tensors(where, self.tensors(found)[0], self.expected)


Part = TilePart | GainPart | EmbeddingPart
"""A part of the model that holds numbers."""


@singledispatch
def part(node: Node, model: QuantizedModel) -> Part | None:
    """Returns the part of the model in a node; None if nothing is hardwired in it.

    Raises `TypeError` if the node has tensors, but no function here says how they are read back.
    """
    if node.tensors:
        raise TypeError(f"nothing says how the tensors of {type(node).__name__} are read back")
    return None


@part.register
def _(node: Linear, model: QuantizedModel) -> Part | None:
    return TilePart(node, tuple(node.hardwired(model)))


@part.register
def _(node: Norm, model: QuantizedModel) -> Part | None:
    (expected,) = node.hardwired(model)
    return GainPart(node, expected, model.config.gain_bits)


@part.register
def _(node: Embedding, model: QuantizedModel) -> Part | None:
    (expected,) = node.hardwired(model)
    return EmbeddingPart(node, expected)


def parts(network: Network, model: QuantizedModel) -> list[Part]:
    """Returns all parts of a model that hold numbers, in the order of the tensors in the Merkle tree."""
    return [found for node in network.nodes if (found := part(node, model)) is not None]


def whole(result: Result) -> bool:
    """Returns whether every number of a part was read."""
    return not (isinstance(result, Reading) and result.unread)


def found_tensors(parts: Sequence[Part], results: Mapping[str, Result]) -> Iterator[Tensor]:
    """Yields the tensors that were read of a whole model, in the order of its Merkle tree. results: by module."""
    for each in parts:
        yield from each.tensors(results[each.module])
