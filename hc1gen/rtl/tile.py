"""CMVM tiles as Verilog text: one constant matrix as logic, one bit-plane of the input vector per clock.

Weights are grouped by magnitude (1, 2, 3, 4): a group is counted, the count is weighted. A negative weight takes the
inverted input bit, since `-x = ~x + 1` for each bit; the ones add up to a constant per row, the accumulator's start.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..quant.quantized import Matrix
from .plan import Order

SHIFT_BITS = 8
"""Signed width of a row's shift."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One module: matrices with common input, stacked; `rows` and `columns` say which row or column each lane holds.

    owner: whose tile it is, the first part of its name; kind: qkv, out, gate_up, down or head. matrices: the stacked
    ones, rows counted through; shift: int64 [R] right shift of each row after its mantissa.
    """

    owner: str
    kind: str
    matrices: tuple[Matrix, ...]
    shift: np.ndarray
    rows: Order
    columns: Order
    lanes: int
    act_bits: int

    @property
    def name(self) -> str:
        """Module name."""
        return f"{self.owner}_{self.kind}" if self.owner else self.kind

    @property
    def beats(self) -> int:
        return len(self.rows) // self.lanes

    @cached_property
    def weights(self) -> np.ndarray:
        """int8 [R, N] in the checkpoint's order."""
        return np.concatenate([m.weights for m in self.matrices])

    @cached_property
    def mantissa(self) -> np.ndarray:
        return np.concatenate([m.mantissa for m in self.matrices])

    @property
    def acc_bits(self) -> int:
        """Accumulator width that no input overflows: twice a row's sum of magnitudes, above the bits shifted out."""
        largest = int(np.abs(self.weights.astype(np.int64)).sum(axis=1).max())
        return max(2 * largest, 1).bit_length() + 1 + self.act_bits - 1

    @property
    def full_adders(self) -> int:
        """Full adders of the combinational part, about one per nonzero weight (docs: one bit leaves per adder)."""
        return int(np.count_nonzero(self.weights))


def tile_module(tile: Tile, acc_bits: int, scale_bits: int) -> Iterator[str]:
    """Lines of the behavioural view. Ports, all for the rising edge of `clk`:

    step: take plane `x` ([columns], bit j is column lane j), least significant plane with `first`, sign plane with
    `last`; read: put beat `beat` of rows on acc ([lanes * acc_bits], signed), mantissa ([lanes * scale_bits]) and
    shift ([lanes * 8], signed), valid from the next clock on until the next read.
    """
    if np.abs(tile.shift).max() >= 1 << (SHIFT_BITS - 1):
        raise InputError(tile.name, f"a row needs a shift of {np.abs(tile.shift).max()}: its scale is out of any range")
    yield from _header(tile)
    yield f"module {tile.name} ("
    yield "    input wire clk,"
    yield "    input wire step, input wire first, input wire last,"
    yield f"    input wire [{len(tile.columns) - 1}:0] x,"
    yield "    input wire read,"
    yield f"    input wire [{_beat_bits(tile) - 1}:0] beat,"
    yield f"    output reg [{tile.lanes * acc_bits - 1}:0] acc,"
    yield f"    output reg [{tile.lanes * scale_bits - 1}:0] mantissa,"
    yield f"    output reg [{tile.lanes * SHIFT_BITS - 1}:0] shift"
    yield ");"
    used = [row for row in tile.rows if row is not None]
    for row in used:
        yield f"    reg signed [{acc_bits - 1}:0] r{row};"
    yield "    always @(posedge clk) if (step) begin"
    for row in used:
        yield _row(tile, row, acc_bits)
    yield "    end"
    yield from _read_port(tile, acc_bits, scale_bits)
    yield "endmodule"


def _beat_bits(tile: Tile) -> int:
    return max(1, (tile.beats - 1).bit_length())


def _header(tile: Tile) -> Iterator[str]:
    zeros = int(np.count_nonzero(tile.weights == 0))
    yield f"// CMVM tile {tile.name}, behavioural view: {tile.weights.shape[0]} rows x {tile.weights.shape[1]} columns."
    first = 0
    for m in tile.matrices:
        yield f"// rows {first}..{first + len(m.weights) - 1}: {m.name}"
        first += len(m.weights)
    yield "// One bit-plane of the vector a step, least significant first. A row's register rN halves and adds a count:"
    yield "// x ^ SIGN inverts the bits that meet negative weights, & MASK picks those that meet magnitude 1, 2, 3, 4;"
    yield "// `first` starts from the row's correction, `last` subtracts the sign plane. Bit j of x is column lane j."
    yield f"// {tile.weights.size} weights, {zeros} of them zero; about {tile.full_adders} full adders."


def _mask(lanes: np.ndarray) -> str:
    """Boolean [N] as a sized hexadecimal constant, lane 0 in bit 0."""
    digits = np.packbits(lanes, bitorder="little")[::-1].tobytes().hex().lstrip("0") or "0"
    return f"{len(lanes)}'h{digits}"


def _lane_weights(tile: Tile, row: int) -> np.ndarray:
    """Weights of a row in the order of the input lanes, zero where a lane is padding."""
    columns = np.array([-1 if c is None else c for c in tile.columns])
    return np.where(columns >= 0, tile.weights[row][columns], 0)


def _row(tile: Tile, row: int, acc_bits: int) -> str:
    """One row's clock: half the accumulator plus or minus the weighted count, the bit that falls out kept below."""
    w = _lane_weights(tile, row).astype(np.int64)
    top = acc_bits - tile.act_bits + 1  # width of the part that adds
    constant = int(-w[w < 0].sum())
    sign = _mask(w < 0)
    terms = []
    for magnitude in (1, 2, 3, 4):
        group = np.abs(w) == magnitude
        if group.any():
            bits = f"(x ^ {sign}) & {_mask(group)}" if (w[group] < 0).any() else f"x & {_mask(group)}"
            terms.append((f"{top}'d{magnitude} * " if magnitude > 1 else "") + f"{top}'($countones({bits}))")
    count = " + ".join(terms) or f"{top}'d0"
    kept = f"r{row}[{acc_bits - 1}], r{row}[{acc_bits - 1}:{tile.act_bits}]"
    low = f"r{row}[{tile.act_bits - 1}:1]"
    start = f"first ? {top}'d{constant} : {{{kept}}}"
    return f"        r{row} <= {{({start}) + ({{{top}{{last}}}} ^ ({count})) + {top}'(last), {low}}};"


def _read_port(tile: Tile, acc_bits: int, scale_bits: int) -> Iterator[str]:
    yield "    always @(posedge clk) if (read) case (beat)"
    for b in range(tile.beats):
        rows = tile.rows[b * tile.lanes : (b + 1) * tile.lanes][::-1]
        acc = ", ".join(f"{acc_bits}'d0" if r is None else f"r{r}" for r in rows)
        mantissa = ", ".join(f"{scale_bits}'d{0 if r is None else tile.mantissa[r]}" for r in rows)
        mask = (1 << SHIFT_BITS) - 1
        shift = ", ".join(f"{SHIFT_BITS}'d{0 if r is None else int(tile.shift[r]) & mask}" for r in rows)
        label = "default" if b == tile.beats - 1 else f"{_beat_bits(tile)}'d{b}"
        yield f"        {label}: begin acc <= {{{acc}}}; mantissa <= {{{mantissa}}}; shift <= {{{shift}}}; end"
    yield "    endcase"


def gain_module(name: str, tensor: str, gain: np.ndarray, order: Order, lanes: int, bits: int) -> Iterator[str]:
    """Lines of a constant table of RMSNorm gains: beat number in, gains of its lanes out. Combinational."""
    beats = len(order) // lanes
    width = max(1, (beats - 1).bit_length())
    yield f"// RMSNorm gains of {tensor}, times the square root of the vector's length."
    yield f"module {name} (input wire [{width - 1}:0] beat, output reg [{lanes * bits - 1}:0] gain);"
    yield "    always @* case (beat)"
    for b in range(beats):
        values = [0 if i is None else int(gain[i]) & ((1 << bits) - 1) for i in order[b * lanes : (b + 1) * lanes]]
        label = "default" if b == beats - 1 else f"{width}'d{b}"
        constants = ", ".join(f"{bits}'d{v}" for v in reversed(values))
        yield f"        {label}: gain = {{{constants}}};"
    yield "    endcase"
    yield "endmodule"
