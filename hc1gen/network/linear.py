"""A linear node: one or more matrices with a common input, stacked into one tile of hardwired weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .node import Flow, Node, Order, order_problems
from .tensor import Tensor

if TYPE_CHECKING:
    from ..quant.quantized import QuantizedModel


@dataclass(frozen=True)
class Projection:
    """One of the matrices that are stacked in a linear node.

    tensor: its name; rows: how many it has; out_bits: width of a result; out_frac: fraction bits of a result, one
    number or one for each row.
    """

    tensor: str
    rows: int
    out_bits: int
    out_frac: int | tuple[int, ...]


@dataclass(frozen=True)
class Linear(Node):
    """Matrix-vector products of bit-planes with hardwired weights, each row requantised by its scale.

    module: of the tile; projections: the stacked matrices, their rows counted through; source: how its vectors come,
    order, exponents, factor and fraction; rows: order in which results leave, `lanes` a beat; row_groups: groups of
    beats that share registers, for each of which the planes pass again; replays: how often the results leave.
    """

    module: str
    projections: tuple[Projection, ...]
    source: "Mantissas"
    rows: Order
    lanes: int
    row_groups: int = 1
    replays: int = 1

    def problems(self) -> Iterable[str]:
        """Every row stands in the order once, and there is a beat for every row group."""
        yield from order_problems("rows", self.rows, self.row_count, self.lanes)
        for each in self.projections:
            if isinstance(each.out_frac, tuple) and len(each.out_frac) != each.rows:
                yield f"{each.tensor}: got {len(each.out_frac)} fractions, expected one for each of {each.rows} rows"
        if not 1 <= self.row_groups <= self.beats:
            yield f"row groups: got {self.row_groups}, expected 1..{self.beats}, the beats of rows"

    @property
    def row_count(self) -> int:
        """Rows of all matrices."""
        return sum(each.rows for each in self.projections)

    @property
    def columns(self) -> Order:
        """Which column of the matrices each lane of a plane is for."""
        return self.source.order

    @property
    def column_count(self) -> int:
        """Columns of each matrix."""
        return sum(column is not None for column in self.columns)

    @property
    def beats(self) -> int:
        """Beats of results."""
        return len(self.rows) // self.lanes

    @property
    def group_beats(self) -> int:
        """Beats of a row group; the last group may have fewer."""
        return -(-self.beats // self.row_groups)

    @property
    def rereads(self) -> int:
        """How often rows are read out after the planes have passed: with one row group, results leave again from the
        registers; with several, the planes have to pass again."""
        return self.replays if self.row_groups == 1 else 1

    @property
    def lane_bits(self) -> tuple[int, ...]:
        """Width of each lane's results; a lane that holds nothing but padding has the widest."""
        owner = [each.out_bits for each in self.projections for _ in range(each.rows)]
        lanes = [[owner[row] for row in self.rows[lane :: self.lanes] if row is not None] for lane in range(self.lanes)]
        return tuple(max(bits or owner) for bits in lanes)

    @property
    def input(self) -> Flow:
        """Bit-planes."""
        passes = self.row_groups * (self.replays // self.rereads)
        return Flow(self.columns, 1, passes, planes=True)

    @property
    def output(self) -> Flow:
        """Results, requantised."""
        return Flow(self.rows, self.lanes, self.replays)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The stacked matrices."""
        return tuple(each.tensor for each in self.projections)

    def hardwired(self, model: "QuantizedModel") -> Iterable[Tensor]:
        """The stacked matrices, with a mantissa and a right shift for each row: from an input of exponent 0 to a result
        of the row's format."""
        frac = self.source.frac + (model.gain(self.source.gain).frac if self.source.gain else 0)
        for each in self.projections:
            matrix = model.matrix(each.tensor)
            yield Tensor(matrix.name, matrix.weights, matrix.mantissa, matrix.shift(frac, np.array(each.out_frac)))


@dataclass(frozen=True)
class Mantissas:
    """What the vectors of a linear node are worth: `mantissa * factor * 2**(exponent - frac)`.

    order: of the columns; exponents: what the exponent can be; frac: fraction bits at exponent 0, less those of `gain`;
    gain: the tensor of the norm in front, whose fraction bits are added, or None; factor_bits: of the factor that comes
    with each vector, 0 for none; act_bits: of a mantissa; drop_bits: lowest bits of a product that are rounded away.
    """

    order: Order
    exponents: range
    frac: int
    act_bits: int
    drop_bits: int
    gain: str | None = None
    factor_bits: int = 0
