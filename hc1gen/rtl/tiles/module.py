"""A tile with registers as Verilog text: the ports, a register for every row, and how rows are read out.

A view says what stands in between: `behavioural` writes the counts as expressions, `structural` as adders.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ...network import Order
from ...numeric.numerics import bits_for
from ..cmvm import SHIFT_BITS
from .tile import Tile


@dataclass(frozen=True)
class Body:
    """What a view writes between ports and read-out: a register `r<slot>` of `bits[slot]` bits for every slot, which
    `lines` describe. view: its name.

    A register holds, after the planes of x, its row's product with x, rounded, less the row's bias. `xs` is the plane,
    inverted in the last step.
    """

    view: str
    bits: dict[int, int]
    bias: np.ndarray
    lines: Iterable[str]


def module(tile: Tile, body: Body) -> Iterator[str]:
    """Lines of a tile. Ports, all for the rising edge of `clk`:

    group, if there are several row groups: which rows count and are read. step: take plane `x` ([columns], bit j is
    column lane j), least significant plane with `first`, sign plane with `last`; read: put beat `beat` of the group's
    rows on acc ([lanes * acc_bits], signed), mantissa ([lanes * scale_bits]) and shift ([lanes * 8], signed), valid
    from the next clock on until the next read.
    """
    yield from _header(tile, body)
    count = len(tile.columns)
    yield f"module {tile.name} ("
    yield "    input wire clk,"
    yield "    input wire step, input wire first, input wire last,"
    if tile.row_groups > 1:
        yield f"    input wire [{bits_for(tile.row_groups - 1) - 1}:0] group,"
    yield f"    input wire [{count - 1}:0] x,"
    yield "    input wire read,"
    yield f"    input wire [{bits_for(tile.group_beats - 1) - 1}:0] beat,"
    yield f"    output reg [{tile.lanes * tile.acc_bits - 1}:0] acc,"
    yield f"    output reg [{tile.lanes * tile.scale_bits - 1}:0] mantissa,"
    yield f"    output reg [{tile.lanes * SHIFT_BITS - 1}:0] shift"
    yield ");"
    yield f"    wire [{count - 1}:0] xs = x ^ {{{count}{{last}}}};"
    for slot, bits in body.bits.items():
        yield f"    reg [{bits - 1}:0] r{slot};"
    yield from body.lines
    yield from _read_port(tile, body)
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


def _header(tile: Tile, body: Body) -> Iterator[str]:
    zeros = int(np.count_nonzero(tile.weights == 0))
    yield f"// CMVM tile {tile.name}, {body.view} view: {tile.weights.shape[0]} rows x {tile.weights.shape[1]} columns."
    first = 0
    for name, matrix in zip(tile.tensors, tile.node.projections, strict=True):
        yield f"// rows {first}..{first + matrix.rows - 1}: {name}"
        first += matrix.rows
    yield f"// {tile.weights.size} weights, {zeros} of them zero."
    lanes = tile.lanes
    yield "// One bit-plane of the vector a step, least significant first; bit j of x is column lane j. Register"
    yield f"// rN, read in beat N / {lanes} on lane N % {lanes}, halves and adds its row's count; bits that fall"
    yield "// out move down in it. The sign plane comes inverted."
    if (passes := tile.row_groups) > 1:
        yield f"// The vector passes {passes} times, each time for another group of the rows in the same registers."


def _read_port(tile: Tile, body: Body) -> Iterator[str]:
    """The rows of a beat, and their constants; each lane adds its row's bias."""
    acc_bits, scale_bits = tile.acc_bits, tile.scale_bits
    fields = {"held": acc_bits, "bias": acc_bits, "its_mantissa": scale_bits, "its_shift": SHIFT_BITS}
    for name, bits in fields.items():
        yield f"    reg [{tile.lanes * bits - 1}:0] {name};"
    beat_bits = bits_for(tile.group_beats - 1)
    yield "    always @* case (beat)"
    for beat in range(tile.group_beats):
        slots = range((beat + 1) * tile.lanes - 1, beat * tile.lanes - 1, -1)
        held = ", ".join(_fit(slot, body.bits, acc_bits) for slot in slots)
        label = "default" if beat == tile.group_beats - 1 else f"{beat_bits}'d{beat}"
        yield f"        {label}: held = {{{held}}};"
    yield "    endcase"
    yield f"    always @* case ({'{group, beat}' if tile.row_groups > 1 else 'beat'})"
    for index in range(tile.beats):
        rows = tile.rows[index * tile.lanes : (index + 1) * tile.lanes][::-1]
        values = {
            "bias": _constants(body.bias, rows, acc_bits),
            "its_mantissa": _constants(tile.mantissa, rows, scale_bits),
            "its_shift": _constants(tile.shift, rows, SHIFT_BITS),
        }
        group, beat = divmod(index, tile.group_beats)
        wanted = f"{beat_bits}'d{beat}"
        if tile.row_groups > 1:
            wanted = f"{{{tile.group_number(group)}, {wanted}}}"
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
