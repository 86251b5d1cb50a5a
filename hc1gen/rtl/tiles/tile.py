"""A tile: the constant matrices of one linear node, and what every way to write them as logic has in common.

A row counts: a negative digit takes the inverted input bit, since `-x = ~x + 1` for each bit, so that every plane adds
something positive (a weight of 3 bits is one digit). The sign plane is inverted as a whole, for the same reason. What
that adds up to is a constant per row, its bias, and leaves where rows are read out: one adder per lane instead of one
per row. The lowest bits of a product are rounded away; what that takes is a constant too, and a row begins with it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import InputError
from ...fabric.digits import digits, magnitudes
from ...network import Linear, Order
from ...numeric.numerics import bits_for
from ...quant.quantized import QuantizedModel
from ..cmvm import SHIFT_BITS


@dataclass(frozen=True, eq=False)
class Tile:
    """One module: the matrices of a linear node, stacked.

    tensors: their names; weights: int8 [R, N] in the checkpoint's order; mantissa: int64 [R] of `scale_bits`; shift:
    int64 [R], of a row to the right after its mantissa; acc_bits: signed width of an accumulator at the port, at least
    `needed_bits`. Raises `InputError` where a row's shift does not fit SHIFT_BITS.
    """

    node: Linear
    tensors: tuple[str, ...]
    weights: np.ndarray
    mantissa: np.ndarray
    shift: np.ndarray
    scale_bits: int
    acc_bits: int

    def __post_init__(self) -> None:
        if (largest := np.abs(self.shift).max()) >= 1 << (SHIFT_BITS - 1):
            raise InputError(self.name, f"a row needs a shift of {largest}: its scale is out of any range")

    @classmethod
    def of(cls, node: Linear, model: QuantizedModel, acc_bits: int) -> "Tile":
        """The tile that a model's tensors make of a node."""
        tensors = list(node.hardwired(model))
        weights = np.concatenate([each.integers for each in tensors])
        mantissa, shift = (np.concatenate([getattr(each, f) for each in tensors]) for f in ("mantissa", "shift"))
        names = tuple(each.name for each in tensors)
        return cls(node, names, weights, mantissa, shift, model.config.scale_bits, acc_bits)

    @property
    def name(self) -> str:
        """Module name."""
        return self.node.module

    @property
    def rows(self) -> Order:
        """Which row each lane of each beat holds."""
        return self.node.rows

    @property
    def columns(self) -> Order:
        """Which column each lane of a plane is for."""
        return self.node.columns

    @property
    def lanes(self) -> int:
        """Rows that are read out at a time."""
        return self.node.lanes

    @property
    def beats(self) -> int:
        """Beats of rows."""
        return self.node.beats

    @property
    def row_groups(self) -> int:
        """Groups of beats that share registers."""
        return self.node.row_groups

    @property
    def group_beats(self) -> int:
        """Beats of a row group; the last one may have fewer."""
        return self.node.group_beats

    @property
    def act_bits(self) -> int:
        """Bit-planes of a vector."""
        return self.node.source.act_bits

    @property
    def drop_bits(self) -> int:
        """Lowest bits of a product that are rounded away."""
        return self.node.source.drop_bits

    def group_number(self, group: int) -> str:
        """What stands on port `group` for a row group, in Verilog."""
        return f"{bits_for(self.row_groups - 1)}'d{group}"

    @cached_property
    def slots(self) -> dict[int, tuple[int | None, ...]]:
        """Places of a row group that have a register → the row that it is for in each group.

        None: a group has no row there, or one without weights; then the register counts nothing.
        """
        size = self.group_beats * self.lanes
        places = self.rows + (None,) * (size * self.row_groups - len(self.rows))
        kept = [row if row is not None and self.largest[row] else None for row in places]
        slots = {slot: tuple(kept[slot::size]) for slot in range(size)}
        return {slot: rows for slot, rows in slots.items() if any(row is not None for row in rows)}

    @property
    def half(self) -> int:
        """What rounds the bits that are dropped: a row that counts nothing begins with it, and has no bias."""
        return 1 << self.drop_bits >> 1

    @property
    def low_bits(self) -> int:
        """Bits of a row's register below those that add: what fell out of them and is not dropped."""
        return self.act_bits - 1 - self.drop_bits

    @cached_property
    def largest(self) -> np.ndarray:
        """int64 [R]: sum of what a row's digits count, the most that one plane does."""
        return magnitudes(self.weights)[0]

    @cached_property
    def negative(self) -> np.ndarray:
        """int64 [R]: sum of what a row's negative digits count."""
        return magnitudes(self.weights)[1]

    @cached_property
    def lane_weights(self) -> np.ndarray:
        """int64 [R, columns]: weights in the order of the input lanes, zero where a lane is padding."""
        columns = np.array([-1 if c is None else c for c in self.columns])
        return np.where(columns >= 0, self.weights[:, columns], 0).astype(np.int64)

    @property
    def full_adders(self) -> int:
        """Full adders of the combinational part, about one per nonzero digit (docs: one bit leaves per adder)."""
        return int(np.count_nonzero(digits(self.weights)))


def needed_bits(node: Linear, weights: np.ndarray) -> int:
    """Signed width of a product of a row and a vector, its lowest bits dropped, that no input overflows."""
    largest = int(magnitudes(weights)[0].max())
    return largest.bit_length() + node.source.act_bits - node.source.drop_bits
