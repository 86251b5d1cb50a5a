"""The modules that hold a model's numbers: what is read of each, and what it must come to.

Everything that is expected follows from the network and from the checkpoint's tensors; nothing is asked of the code
that writes the modules.
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
    """The tile of a linear node; expected: its tensors."""

    node: Linear
    expected: tuple[Tensor, ...]

    @property
    def module(self) -> str:
        return self.node.module

    def job(self, source: Source) -> TileJob:
        """How it is read."""
        node, vectors = self.node, self.node.source
        return TileJob(source, Shape(node.lanes, node.beats, vectors.act_bits, vectors.drop_bits, node.row_groups))

    def tensors(self, reading: Result) -> list[Tensor]:
        """What was read, in the order of the checkpoint."""
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
        """By tensor, row and column; what is wrong in padding, or beside the numbers, by row or place."""
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
        """(tensor, its row) of a row of the tile."""
        for each in self.expected:
            if row is None:
                break
            if row < len(each.integers):
                return each.name, row
            row -= len(each.integers)
        return None, None


@dataclass(frozen=True)
class GainPart:
    """The gains of a norm, `bits` each."""

    node: Norm
    expected: Tensor
    bits: int

    @property
    def module(self) -> str:
        return self.node.module

    def job(self, source: Source) -> TableJob:
        """How they are read."""
        return TableJob(source, "beat", len(self.node.order) // self.node.lanes, (("gain", self.node.lanes),))

    def tensors(self, found: Result) -> list[Tensor]:
        assert isinstance(found, dict)
        gains = signed(found["gain"].reshape(-1)[places(self.node.order)], self.bits)
        return [Tensor(self.expected.name, gains)]

    def differences(self, where: str, found: Result) -> Iterator[Difference]:
        yield from of_tensors(where, self.tensors(found)[0], self.expected)


@dataclass(frozen=True)
class EmbeddingPart:
    """The embedding ROM."""

    node: Embedding
    expected: Tensor

    @property
    def module(self) -> str:
        return self.node.module

    def job(self, source: Source) -> TableJob:
        """How it is read."""
        lanes = (("row", len(self.node.order)), ("scale", 1), ("mirrored", 1))
        return TableJob(source, "token", self.node.vocab, lanes)

    def tensors(self, found: Result) -> list[Tensor]:
        assert isinstance(found, dict)
        weights = signed(found["row"], int(row_bits(self.expected.integers).max()))[:, places(self.node.order)]
        weights = np.where(found["mirrored"] == 1, -weights, weights)
        scale = found["scale"][:, 0]
        return [Tensor(self.expected.name, weights, scale, np.zeros_like(scale))]

    def differences(self, where: str, found: Result) -> Iterator[Difference]:
        yield from of_tensors(where, self.tensors(found)[0], self.expected)


Part = TilePart | GainPart | EmbeddingPart


@singledispatch
def part(node: Node, model: QuantizedModel) -> Part | None:
    """What is read back of a node; None where nothing is hardwired in it. `TypeError` where no file says how."""
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
    """In the order of the tensors in the Merkle tree."""
    return [found for node in network.nodes if (found := part(node, model)) is not None]


def whole(result: Result) -> bool:
    """Whether every number of a part was read."""
    return not (isinstance(result, Reading) and result.unread)


def found_tensors(parts: Sequence[Part], results: Mapping[str, Result]) -> Iterator[Tensor]:
    """What was read of a whole model, in the order of its Merkle tree."""
    for each in parts:
        yield from each.tensors(results[each.module])
