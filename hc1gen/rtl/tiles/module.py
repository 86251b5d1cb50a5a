"""A tile with registers as Verilog text: its ports, its registers, and the read-out of its rows.

The views differ in what is between ports and read-out: `behavioural` writes the counts as expressions, `structural` as
adders.
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
    """What a view writes between the ports and the read-out.

    After the planes of x, the register of a row must hold the product of the row and x, rounded, minus the row's bias.
    The net `xs` is the plane, which is inverted in the last step.

    Parameters
        view: name of the view.
        bits: slot → width of its register `r<slot>`.
        bias: int64 [R], the constant that the read-out adds to each row.
        lines: the text that gives the registers their next values.
    """

    view: str
    bits: dict[int, int]
    bias: np.ndarray
    lines: Iterable[str]


def module(tile: Tile, body: Body) -> Iterator[str]:
    """Lines of the module of a tile.

    Ports (1 bit each, unless a width is given)
        clk (in): all other ports belong to its rising edge. There is no reset.
        step (in): take the plane on x. `first` must be 1 with the least significant plane, `last` with the sign plane.
        group (in, unsigned, 0..row_groups - 1; only with several row groups): the row group that counts, or is read.
        x (in, `len(tile.columns)` bits): a plane, column lane j in bit j.
        read (in): read a beat of the row group.
        beat (in, unsigned, 0..group_beats - 1): number of the beat within its row group.
        acc (out, `lanes` fields of `acc_bits` bits, signed): the accumulators of the beat that was read last.
        mantissa (out, `lanes` fields of `scale_bits` bits, unsigned): the mantissas of their scales.
        shift (out, `lanes` fields of SHIFT_BITS bits, signed): their right shifts.
        All outputs change in the clock after `read` and stand until the next one.
    """
    yield from _header(tile, body)
    count = len(tile.columns)
    yield from ports(tile)
    yield f"    wire [{count - 1}:0] xs = x ^ {{{count}{{last}}}};"
    for slot, bits in body.bits.items():
        yield f"    reg [{bits - 1}:0] r{slot};"
    yield from body.lines
    yield from _read_port(tile, body)
    yield "endmodule"


def ports(tile: Tile) -> Iterator[str]:
    """Lines from `module` to the end of the port list, the same in every view."""
    yield f"module {tile.name} ("
    yield "    input wire clk,"
    yield "    input wire step, input wire first, input wire last,"
    if tile.row_groups > 1:
        yield f"    input wire [{bits_for(tile.row_groups - 1) - 1}:0] group,"
    yield f"    input wire [{len(tile.columns) - 1}:0] x,"
    yield "    input wire read,"
    yield f"    input wire [{bits_for(tile.group_beats - 1) - 1}:0] beat,"
    yield f"    output reg [{tile.lanes * tile.acc_bits - 1}:0] acc,"
    yield f"    output reg [{tile.lanes * tile.scale_bits - 1}:0] mantissa,"
    yield f"    output reg [{tile.lanes * SHIFT_BITS - 1}:0] shift"
    yield ");"


def constants(tile: Tile, offset: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first value of each row's register, in units of the first plane, and the bias of each row: int64 [R] each.

    offset: int64 [R], by how much each count of a row is too large. bits: int64 [R], how many bits the first value of a
    row may have, at least `drop_bits`.

    A plane x counts as `w * x + negative`; the last plane, which is inverted, counts as `largest - (w * x + negative)`.
    The difference between the sum of all counts and the product is a constant. As much of it as fits is the first
    value, and the rest is the bias, so that `(start + counted) >> drop_bits` equals
    `((w * x + half) >> drop_bits) - bias`. A larger first value leaves more zeros in the low bits of the bias.
    """
    top = 1 << (tile.act_bits - 1)
    missing = tile.negative - top * tile.largest - (2 * top - 1) * offset + tile.half
    start = missing % (1 << bits)
    return start, (missing - start) >> tile.drop_bits


def register_bits(tile: Tile, room: np.ndarray) -> dict[int, int]:
    """Slot → width of its register.

    room: int64 [R], bits that a row needs for half of the upper part of the register, which is the part that adds.
    """
    return {
        slot: int(max(room[row] for row in rows if row is not None)) + 1 + tile.low_bits
        for slot, rows in tile.slots.items()
    }


def _header(tile: Tile, body: Body) -> Iterator[str]:
    """The comment at the top of the module."""
    zeros = int(np.count_nonzero(tile.weights == 0))
    yield f"// CMVM tile {tile.name}, {body.view} view: {tile.weights.shape[0]} rows x {tile.weights.shape[1]} columns."
    first = 0
    for name, matrix in zip(tile.tensors, tile.node.projections, strict=True):
        yield f"// rows {first}..{first + matrix.rows - 1}: {name}"
        first += matrix.rows
    yield f"// {tile.weights.size} weights, {zeros} of them zero."
    lanes = tile.lanes
    yield "// A step takes one bit-plane, least significant first, sign plane inverted; bit j of x is column lane j."
    yield f"// Register rN is read in beat N / {lanes} on lane N % {lanes}. A step halves its upper part and adds the"
    yield "// row's count; the bits that leave the upper part shift down through the lower part."
    if (passes := tile.row_groups) > 1:
        yield f"// The planes pass {passes} times, once for each row group. All row groups use the same registers."


def _read_port(tile: Tile, body: Body) -> Iterator[str]:
    """Lines of the read-out: select the rows of a beat and their constants, and add to each row its bias."""
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
    """The register of a slot as `wanted` bits: filled with zeros, or cut, since the sum with the bias is exact modulo
    2^wanted. A slot without a register is 0.
    """
    if slot not in bits:
        return f"{wanted}'d0"
    if bits[slot] >= wanted:
        return f"r{slot}" if bits[slot] == wanted else f"r{slot}[{wanted - 1}:0]"
    return f"{wanted - bits[slot]}'d0, r{slot}"


def _constants(values: np.ndarray, rows: Order, bits: int) -> str:
    """The values of `rows` as a list of Verilog constants of `bits` bits, modulo 2^bits; 0 for padding."""
    return ", ".join(f"{bits}'d{0 if row is None else int(values[row]) & ((1 << bits) - 1)}" for row in rows)
