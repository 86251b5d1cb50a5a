"""A linear node: one or more matrices with the same input, stacked into one tile of hardwired weights."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .node import Flow, Node, Order, order_problems
from .tensor import Tensor, Tensors


@dataclass(frozen=True)
class Projection:
    """One of the matrices that are stacked in a linear node.

    Parameters
        tensor: name of the matrix.
        rows: rows of the matrix.
        out_bits: signed width of a result.
        out_frac: fraction bits of a result; one number for all rows, or one number for each row.
    """

    tensor: str
    rows: int
    out_bits: int
    out_frac: int | tuple[int, ...]


@dataclass(frozen=True)
class Linear(Node):
    """Products of hardwired matrices and a vector in bit-planes; each row is requantised with its scale.

    Parameters
        module: name of the module of the tile.
        projections: the stacked matrices. Their rows are numbered consecutively.
        source: the format of the vectors that come in.
        rows: order in which the results leave.
        lanes: lanes of a beat of results.
        row_groups: groups of beats that share registers, 1..beats. The planes pass once for each of them.
        replays: how often the results leave, at least 1.
    """

    module: str
    projections: tuple[Projection, ...]
    source: "Mantissas"
    rows: Order
    lanes: int
    row_groups: int = 1
    replays: int = 1

    def problems(self) -> Iterable[str]:
        """What is wrong with the order of the rows, the fractions, or the number of row groups."""
        yield from order_problems("rows", self.rows, self.row_count, self.lanes)
        for each in self.projections:
            if isinstance(each.out_frac, tuple) and len(each.out_frac) != each.rows:
                yield f"{each.tensor}: got {len(each.out_frac)} fractions, expected one for each of {each.rows} rows"
        if not 1 <= self.row_groups <= self.beats:
            yield f"row groups: got {self.row_groups}, expected 1..{self.beats}, the beats of rows"

    @property
    def row_count(self) -> int:
        """How many rows all matrices have together."""
        return sum(each.rows for each in self.projections)

    @property
    def columns(self) -> Order:
        """The column of the matrices in each lane of a plane; None is padding."""
        return self.source.order

    @property
    def column_count(self) -> int:
        """How many columns each matrix has."""
        return sum(column is not None for column in self.columns)

    @property
    def beats(self) -> int:
        """Beats of results, over all row groups."""
        return len(self.rows) // self.lanes

    @property
    def group_beats(self) -> int:
        """Beats of a row group; the last group may have fewer."""
        return -(-self.beats // self.row_groups)

    @property
    def rereads(self) -> int:
        """How often the rows are read out of their registers after the planes have passed.

        With one row group, the rows are reread for every replay. With several, the registers hold only the last row
        group, so the planes pass again for every replay.
        """
        return self.replays if self.row_groups == 1 else 1

    @property
    def lane_bits(self) -> tuple[int, ...]:
        """Signed width of the results in each lane; in a lane of padding only, the largest width of all."""
        owner = [each.out_bits for each in self.projections for _ in range(each.rows)]
        lanes = [[owner[row] for row in self.rows[lane :: self.lanes] if row is not None] for lane in range(self.lanes)]
        return tuple(max(bits or owner) for bits in lanes)

    @property
    def input(self) -> Flow:
        """Bit-planes of the vector; they pass once for each row group, and again for replays that cannot reread."""
        passes = self.row_groups * (self.replays // self.rereads)
        return Flow(self.columns, 1, passes, planes=True)

    @property
    def output(self) -> Flow:
        """The requantised results."""
        return Flow(self.rows, self.lanes, self.replays)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the stacked matrices."""
        return tuple(each.tensor for each in self.projections)

    def hardwired(self, model: Tensors) -> Iterable[Tensor]:
        """The stacked matrices, with a mantissa and a right shift for each row.

        They convert a product with an input of exponent 0 to a result in the format of the row.
        """
        frac = self.source.frac + (model.gain(self.source.gain).frac if self.source.gain else 0)
        for each in self.projections:
            matrix = model.matrix(each.tensor)
            yield Tensor(matrix.name, matrix.weights, matrix.mantissa, matrix.shift(frac, np.array(each.out_frac)))


@dataclass(frozen=True)
class Mantissas:
    """The format of the vectors that enter a linear node: an element is `mantissa * factor * 2**(exponent - frac)`.

    Parameters
        order: order of the columns.
        exponents: every value that the exponent can have.
        frac: fraction bits at exponent 0, without those of the gains.
        act_bits: signed width of a mantissa.
        drop_bits: lowest bits of a product that are rounded away.
        gain: name of the gains of the norm in front, whose fraction bits are added to `frac`; None if there is no norm.
        factor_bits: unsigned width of the factor of a vector, a fraction below 1; 0 if there is none.
    """

    order: Order
    exponents: range
    frac: int
    act_bits: int
    drop_bits: int
    gain: str | None = None
    factor_bits: int = 0
