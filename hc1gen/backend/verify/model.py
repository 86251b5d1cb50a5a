"""The modules that hold a model's numbers: what is read of each, and what it must come to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ...quant.grid import row_bits
from ...quant.provenance import Tensor
from ...rtl.embedding import ROM
from ...rtl.plan import Order
from ...rtl.provenance import tensors, tile_tensors
from ...rtl.tile import Tile
from ...rtl.transformer import Transformer
from .difference import Difference, of_tensors
from .jobs import Reading, Result, Shape, Source, TableJob, TileJob
from .tables import signed


@dataclass(frozen=True)
class TilePart:
    """A tile of the model."""

    tile: Tile

    @property
    def module(self) -> str:
        return self.tile.name

    def job(self, source: Source) -> TileJob:
        """How it is read."""
        t = self.tile
        return TileJob(source, Shape(t.lanes, t.beats, t.act_bits, t.drop_bits, t.parts))

    def tensors(self, reading: Result) -> list[Tensor]:
        """What was read, in the order of the checkpoint."""
        assert isinstance(reading, Reading)
        tile, found = self.tile, []
        rows, columns = _places(tile.rows), _places(tile.columns)
        weights = reading.weights[np.ix_(rows, columns)]
        mantissa, shift = reading.mantissa[rows], reading.shift[rows]
        first = 0
        for matrix in tile.matrices:
            own = slice(first, first + len(matrix.weights))
            found.append(Tensor(matrix.name, weights[own], mantissa[own], shift[own]))
            first = own.stop
        return found

    def differences(self, where: str, reading: Result) -> Iterator[Difference]:
        """By tensor, row and column; what is wrong in padding, or beside the numbers, by row or place."""
        assert isinstance(reading, Reading)
        for place, fault in sorted(reading.faults.items()):
            row = self.tile.rows[place]
            name, own = _owner(self.tile, row)
            at = f"{name}, row {own}" if row is not None else f"place {place}, which holds no row"
            yield Difference("circuit", where, f"{at}: {fault}", tensor=name, row=own)
        read = np.array([place not in reading.unread for place in _places(self.tile.rows)])
        for found, expected in zip(self.tensors(reading), tile_tensors(self.tile), strict=True):
            rows, read = np.split(read, [len(expected.integers)])
            yield from of_tensors(where, found, expected, rows)
        padding_rows = [place for place, row in enumerate(self.tile.rows) if row is None]
        padding_columns = [lane for lane, column in enumerate(self.tile.columns) if column is None]
        for place in padding_rows:
            if reading.weights[place].any():
                yield Difference("circuit", where, f"place {place}, which holds no row, has weights")
        for lane in padding_columns:
            if reading.weights[:, lane].any():
                yield Difference("circuit", where, f"lane {lane}, which holds no column, has weights")


@dataclass(frozen=True)
class GainPart:
    """The gains of a norm: `order` is that of the residual stream."""

    module: str
    expected: Tensor
    order: Order
    lanes: int
    bits: int

    def job(self, source: Source) -> TableJob:
        """How they are read."""
        return TableJob(source, "beat", len(self.order) // self.lanes, (("gain", self.lanes),))

    def tensors(self, found: Result) -> list[Tensor]:
        assert isinstance(found, dict)
        gains = signed(found["gain"].reshape(-1)[_places(self.order)], self.bits)
        return [Tensor(self.expected.name, gains)]

    def differences(self, where: str, found: Result) -> Iterator[Difference]:
        yield from of_tensors(where, self.tensors(found)[0], self.expected)


@dataclass(frozen=True)
class EmbeddingPart:
    """The embedding ROM."""

    module: str
    expected: Tensor
    order: Order

    def job(self, source: Source) -> TableJob:
        """How it is read."""
        return TableJob(
            source, "token", len(self.expected.integers), (("row", len(self.order)), ("scale", 1), ("mirrored", 1))
        )

    def tensors(self, found: Result) -> list[Tensor]:
        assert isinstance(found, dict)
        weights = signed(found["row"], int(row_bits(self.expected.integers).max()))[:, _places(self.order)]
        weights = np.where(found["mirrored"] == 1, -weights, weights)
        scale = found["scale"][:, 0]
        return [Tensor(self.expected.name, weights, scale, np.zeros_like(scale))]

    def differences(self, where: str, found: Result) -> Iterator[Difference]:
        yield from of_tensors(where, self.tensors(found)[0], self.expected)


Part = TilePart | GainPart | EmbeddingPart


def parts(transformer: Transformer) -> list[Part]:
    """In the order of the tensors in the Merkle tree."""
    plan, prefix = transformer.plan, transformer.plan.prefix
    named = tensors(transformer)
    tiles = transformer.tiles()
    bits = plan.n.config.gain_bits

    def gain(name: str) -> GainPart:
        return GainPart(f"{prefix}{name}", next(named), plan.residual, plan.lanes, bits)

    def tile() -> TilePart:
        part = TilePart(next(tiles))
        for _ in part.tile.matrices:
            next(named)
        return part

    found: list[Part] = [EmbeddingPart(prefix + ROM, next(named), plan.residual)]
    for index in range(len(transformer.model.layers)):
        found += [gain(f"layer{index}_attention_gain"), tile(), tile()]
        found += [gain(f"layer{index}_mlp_gain"), tile(), tile()]
    return [*found, gain("final_gain"), tile()]


def whole(result: Result) -> bool:
    """Whether every number of a part was read."""
    return not (isinstance(result, Reading) and result.unread)


def found_tensors(parts: list[Part], results: Mapping[str, Result]) -> Iterator[Tensor]:
    """What was read of a whole model, in the order of its Merkle tree."""
    for part in parts:
        yield from part.tensors(results[part.module])


def _places(order: Order) -> list[int]:
    """Index → where in the order it is."""
    where = {index: place for place, index in enumerate(order) if index is not None}
    return [where[index] for index in range(len(where))]


def _owner(tile: Tile, row: int | None) -> tuple[str | None, int | None]:
    """(tensor, its row) of a row of the tile."""
    for matrix in tile.matrices:
        if row is None:
            break
        if row < len(matrix.weights):
            return matrix.name, row
        row -= len(matrix.weights)
    return None, None
