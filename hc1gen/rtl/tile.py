"""CMVM tiles as Verilog text: one constant matrix as logic, one bit-plane of the input vector per clock.

A row counts: a negative digit takes the inverted input bit, since `-x = ~x + 1` for each bit, so that every plane adds
something positive (a weight of 3 bits is one digit). The sign plane is inverted as a whole, for the same reason. What
that adds up to is a constant per row, its bias, and leaves where rows are read out: one adder per lane instead of one
per row. The lowest bits of a product are rounded away; what that takes is a constant too, and a row begins with it.

This file has what the two views of a tile share, ports and read-out; `behavioural` writes the counts as expressions,
`structural` as adders.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..fabric.digits import digits, magnitudes
from ..quant.numerics import bits_for
from ..quant.quantized import Matrix
from .plan import Order

SHIFT_BITS = 8
"""Signed width of a row's shift."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One module: matrices with common input, stacked; `rows` and `columns` say which row or column each lane holds.

    owner: whose tile it is, the first part of its name; kind: qkv, out, gate_up, down or head. matrices: the stacked
    ones, rows counted through; shift: int64 [R] right shift of each row after its mantissa. drop_bits: lowest bits of a
    product that are rounded away, at most `act_bits - 2`. parts: a vector passes so often, each time for another part
    of the rows, all in the same registers; a part is `part_beats` beats of rows, the last one may have fewer.
    """

    owner: str
    kind: str
    matrices: tuple[Matrix, ...]
    shift: np.ndarray
    rows: Order
    columns: Order
    lanes: int
    act_bits: int
    drop_bits: int
    parts: int = 1

    @property
    def name(self) -> str:
        """Module name."""
        return f"{self.owner}_{self.kind}" if self.owner else self.kind

    @property
    def beats(self) -> int:
        return len(self.rows) // self.lanes

    @property
    def part_beats(self) -> int:
        return -(-self.beats // self.parts)

    def part_number(self, part: int) -> str:
        """What stands on port `part` for it, in Verilog."""
        return f"{bits_for(self.parts - 1)}'d{part}"

    @cached_property
    def slots(self) -> dict[int, tuple[int | None, ...]]:
        """Places of a part that have a register → the row that it is for in each part.

        None: a part has no row there, or one without weights; then the register counts nothing.
        """
        size = self.part_beats * self.lanes
        places = self.rows + [None] * (size * self.parts - len(self.rows))
        kept = [row if row is not None and self.largest[row] else None for row in places]
        slots = {slot: tuple(kept[slot::size]) for slot in range(size)}
        return {slot: rows for slot, rows in slots.items() if any(row is not None for row in rows)}

    @property
    def half(self) -> int:
        """What rounds the bits that are dropped: a row that counts nothing begins with it, and has no bias."""
        return 1 << self.drop_bits >> 1

    @cached_property
    def weights(self) -> np.ndarray:
        """int8 [R, N] in the checkpoint's order."""
        return np.concatenate([m.weights for m in self.matrices])

    @cached_property
    def mantissa(self) -> np.ndarray:
        return np.concatenate([m.mantissa for m in self.matrices])

    @property
    def acc_bits(self) -> int:
        """Signed width of a product of a row and a vector, its lowest bits dropped, that no input overflows."""
        return int(self.largest.max()).bit_length() + self.act_bits - self.drop_bits

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


@dataclass(frozen=True)
class View:
    """One way to write a tile: every slot has a register, `r<slot>` of `bits[slot]` bits, that `lines` describe.

    A register holds, after the planes of x, its row's product with x, rounded, less the row's bias. `xs` is the plane,
    inverted in the last step.
    """

    name: str
    bits: dict[int, int]
    bias: np.ndarray
    lines: Iterable[str]


def module(tile: Tile, view: View, acc_bits: int, scale_bits: int) -> Iterator[str]:
    """Lines of a tile. Ports, all for the rising edge of `clk`:

    part, if there are several: which rows count and are read. step: take plane `x` ([columns], bit j is column lane j),
    least significant plane with `first`, sign plane with `last`; read: put beat `beat` of the part's rows on acc
    ([lanes * acc_bits], signed), mantissa ([lanes * scale_bits]) and shift ([lanes * 8], signed), valid from the next
    clock on until the next read.
    """
    if np.abs(tile.shift).max() >= 1 << (SHIFT_BITS - 1):
        raise InputError(tile.name, f"a row needs a shift of {np.abs(tile.shift).max()}: its scale is out of any range")
    yield from _header(tile, view)
    count = len(tile.columns)
    yield f"module {tile.name} ("
    yield "    input wire clk,"
    yield "    input wire step, input wire first, input wire last,"
    if tile.parts > 1:
        yield f"    input wire [{bits_for(tile.parts - 1) - 1}:0] part,"
    yield f"    input wire [{count - 1}:0] x,"
    yield "    input wire read,"
    yield f"    input wire [{bits_for(tile.part_beats - 1) - 1}:0] beat,"
    yield f"    output reg [{tile.lanes * acc_bits - 1}:0] acc,"
    yield f"    output reg [{tile.lanes * scale_bits - 1}:0] mantissa,"
    yield f"    output reg [{tile.lanes * SHIFT_BITS - 1}:0] shift"
    yield ");"
    yield f"    wire [{count - 1}:0] xs = x ^ {{{count}{{last}}}};"
    for slot, bits in view.bits.items():
        yield f"    reg [{bits - 1}:0] r{slot};"
    yield from view.lines
    yield from _read_port(tile, view, acc_bits, scale_bits)
    yield "endmodule"


def constants(tile: Tile, offset: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a row begins with, in units of the first plane, and its bias: int64 [R] each. Every count has `offset` [R]
    too much; there is room for `bits` [R] bits to begin with, at least `drop_bits`.

    The planes of x count `w * x + negative`, and the last one, inverted, `largest - (w * x + negative)`. So with
    `drop_bits` dropped, `(start + counted) >> drop_bits` is `(w * x + half) >> drop_bits` less the bias. A row begins
    with as much as it has room for: that leaves zeros at the lower end of the bias.
    """
    top = 1 << (tile.act_bits - 1)
    missing = tile.negative - top * tile.largest - (2 * top - 1) * offset + tile.half
    start = missing % (1 << bits)
    return start, (missing - start) >> tile.drop_bits


def register_bits(tile: Tile, room: np.ndarray) -> dict[int, int]:
    """Width of each slot's register, whose rows need `room` [R] bits for half of the part that adds."""
    return {
        slot: int(max(room[row] for row in rows if row is not None)) + 1 + tile.low_bits
        for slot, rows in tile.slots.items()
    }


def _header(tile: Tile, view: View) -> Iterator[str]:
    zeros = int(np.count_nonzero(tile.weights == 0))
    yield f"// CMVM tile {tile.name}, {view.name} view: {tile.weights.shape[0]} rows x {tile.weights.shape[1]} columns."
    first = 0
    for m in tile.matrices:
        yield f"// rows {first}..{first + len(m.weights) - 1}: {m.name}"
        first += len(m.weights)
    yield f"// {tile.weights.size} weights, {zeros} of them zero."
    lanes = tile.lanes
    yield "// One bit-plane of the vector a step, least significant first; bit j of x is column lane j. Register"
    yield f"// rN, read in beat N / {lanes} on lane N % {lanes}, halves and adds its row's count; bits that fall"
    yield "// out move down in it. The sign plane comes inverted."
    if tile.parts > 1:
        yield f"// The vector passes {tile.parts} times, each time for another part of the rows in the same registers."


def _read_port(tile: Tile, view: View, acc_bits: int, scale_bits: int) -> Iterator[str]:
    """The rows of a beat, and their constants; each lane adds its row's bias."""
    fields = {"held": acc_bits, "bias": acc_bits, "its_mantissa": scale_bits, "its_shift": SHIFT_BITS}
    for name, bits in fields.items():
        yield f"    reg [{tile.lanes * bits - 1}:0] {name};"
    beat_bits = bits_for(tile.part_beats - 1)
    yield "    always @* case (beat)"
    for beat in range(tile.part_beats):
        slots = range((beat + 1) * tile.lanes - 1, beat * tile.lanes - 1, -1)
        held = ", ".join(_fit(slot, view.bits, acc_bits) for slot in slots)
        label = "default" if beat == tile.part_beats - 1 else f"{beat_bits}'d{beat}"
        yield f"        {label}: held = {{{held}}};"
    yield "    endcase"
    yield f"    always @* case ({'{part, beat}' if tile.parts > 1 else 'beat'})"
    for index in range(tile.beats):
        rows = tile.rows[index * tile.lanes : (index + 1) * tile.lanes][::-1]
        values = {
            "bias": _constants(view.bias, rows, acc_bits),
            "its_mantissa": _constants(tile.mantissa, rows, scale_bits),
            "its_shift": _constants(tile.shift, rows, SHIFT_BITS),
        }
        part, beat = divmod(index, tile.part_beats)
        wanted = f"{beat_bits}'d{beat}"
        if tile.parts > 1:
            wanted = f"{{{tile.part_number(part)}, {wanted}}}"
        label = "default" if index == tile.beats - 1 else wanted
        yield f"        {label}: begin {' '.join(f'{name} = {{{value}}};' for name, value in values.items())} end"
    yield "    endcase"
    yield "    always @(posedge clk) if (read) begin"
    for lane in range(tile.lanes):
        place = f"[{lane * acc_bits} +: {acc_bits}]"
        yield f"        acc{place} <= held{place} + bias{place};"
    yield "        mantissa <= its_mantissa; shift <= its_shift;"
    yield "    end"


def _fit(slot: int, bits: dict[int, int], wanted: int) -> str:
    """A register in `wanted` bits: more are 0, less are enough (the sum with the bias is exact modulo 2^n)."""
    if slot not in bits:
        return f"{wanted}'d0"
    if bits[slot] >= wanted:
        return f"r{slot}" if bits[slot] == wanted else f"r{slot}[{wanted - 1}:0]"
    return f"{wanted - bits[slot]}'d0, r{slot}"


def _constants(values: np.ndarray, rows: Order, bits: int) -> str:
    """A value for each lane, modulo 2^bits."""
    return ", ".join(f"{bits}'d{0 if row is None else int(values[row]) & ((1 << bits) - 1)}" for row in rows)
