"""A tile: the constant matrices of one linear node, and what all ways to write them as logic have in common.

A row only counts upwards: it adds something positive with every plane. A negative digit takes the inverted input bit,
since `-x = (1 - x) - 1` for a bit x, and the sign plane is inverted as a whole, since its bits count negatively. (A
weight of 3 bits is one digit; see `fabric.digits`.) The difference to the product is a constant of the row, its bias.
It is added where rows are read out, so that it needs one adder for each lane instead of one for each row. The lowest
bits of a product are rounded away. The constant which that needs is part of the first value of the row's register.
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
    """The matrices of a linear node, stacked, as one module. R rows, N columns.

    Parameters
        node: the linear node.
        tensors: names of the matrices.
        weights: int8 [R, N], in the order of the checkpoint.
        mantissa: int64 [R], mantissa of the scale of each row, unsigned, `scale_bits` wide.
        shift: int64 [R], right shift of each row after the multiplication by its mantissa.
        scale_bits: unsigned width of a mantissa.
        acc_bits: signed width of an accumulator at the port, at least `needed_bits`.
    Raises `InputError` if the shift of a row does not fit SHIFT_BITS.
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
        """The tile of a node with the tensors of a model."""
        tensors = list(node.hardwired(model))
        weights = np.concatenate([each.integers for each in tensors])
        mantissa, shift = (np.concatenate([getattr(each, f) for each in tensors]) for f in ("mantissa", "shift"))
        names = tuple(each.name for each in tensors)
        return cls(node, names, weights, mantissa, shift, model.config.scale_bits, acc_bits)

    @property
    def name(self) -> str:
        """Name of the module."""
        return self.node.module

    @property
    def rows(self) -> Order:
        """The row in each lane of each beat, beat after beat; None is padding."""
        return self.node.rows

    @property
    def columns(self) -> Order:
        """The column of each lane of a plane; None is padding."""
        return self.node.columns

    @property
    def lanes(self) -> int:
        """Rows of a beat."""
        return self.node.lanes

    @property
    def beats(self) -> int:
        """Beats of results, over all row groups."""
        return self.node.beats

    @property
    def row_groups(self) -> int:
        """How many groups of beats share the registers."""
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
        """How many of the lowest bits of a product are rounded away."""
        return self.node.source.drop_bits

    def group_number(self, group: int) -> str:
        """The value on port `group` that stands for a row group, as a Verilog constant."""
        return f"{bits_for(self.row_groups - 1)}'d{group}"

    @cached_property
    def slots(self) -> dict[int, tuple[int | None, ...]]:
        """Slot → the row of each row group that uses the slot's register.

        A slot is a place within a row group, `beat * lanes + lane`. Only slots that need a register are listed. None
        stands for a row group without a row in that place, or with a row whose weights are all 0; the register then
        counts nothing.
        """
        size = self.group_beats * self.lanes
        places = self.rows + (None,) * (size * self.row_groups - len(self.rows))
        kept = [row if row is not None and self.largest[row] else None for row in places]
        slots = {slot: tuple(kept[slot::size]) for slot in range(size)}
        return {slot: rows for slot, rows in slots.items() if any(row is not None for row in rows)}

    @property
    def half(self) -> int:
        """Half of the last bit that is kept, which is added for rounding. A row without weights begins with it."""
        return 1 << self.drop_bits >> 1

    @property
    def low_bits(self) -> int:
        """Bits in the lower part of a row's register: those that have left the upper part, without the dropped ones."""
        return self.act_bits - 1 - self.drop_bits

    @cached_property
    def largest(self) -> np.ndarray:
        """int64 [R]: the largest count that one plane can give in each row, the sum of the magnitudes of its digits."""
        return magnitudes(self.weights)[0]

    @cached_property
    def negative(self) -> np.ndarray:
        """int64 [R]: the sum of the magnitudes of the negative digits of each row."""
        return magnitudes(self.weights)[1]

    @cached_property
    def lane_weights(self) -> np.ndarray:
        """int64 [R, lanes of a plane]: the weights in the order of the input lanes; 0 where a lane is padding."""
        columns = np.array([-1 if c is None else c for c in self.columns])
        return np.where(columns >= 0, self.weights[:, columns], 0).astype(np.int64)

    @property
    def full_adders(self) -> int:
        """An estimate of the full adders in the combinational part: one for each digit that is not 0.

        Each full adder takes three bits and gives two, so it removes one of the bits that the digits select.
        """
        return int(np.count_nonzero(digits(self.weights)))


def needed_bits(node: Linear, weights: np.ndarray) -> int:
    """Signed width of an accumulator that no vector can overflow: the product of a row [N] of `weights` [R, N] and a
    vector, without its lowest `drop_bits` bits.
    """
    largest = int(magnitudes(weights)[0].max())
    return largest.bit_length() + node.source.act_bits - node.source.drop_bits
