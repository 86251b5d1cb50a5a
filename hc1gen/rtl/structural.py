"""The structural view of a tile: every row as full and half adders, its register's upper half among what they add.

`adders` are the modules that it is made of; a flow maps them onto a library's own cells, one by one.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ..fabric.build import Fabric, build
from ..fabric.network import Adder, Literal, Network
from .tile import Tile, View, constants

ADDERS = "adders"
"""Name of the file with the adders' modules."""


def adders() -> Iterator[str]:
    """Lines of the modules that tiles are made of."""
    yield "// What structural tiles are made of: s + 2 * co = a + b + c. A flow maps these onto a library's own cells."
    yield "/* verilator lint_off DECLFILENAME */ // three small modules, one file"
    yield "module hc1gen_fa (input wire a, input wire b, input wire c, output wire s, output wire co);"
    yield "    assign s = a ^ b ^ c;"
    yield "    assign co = a & b | (a ^ b) & c;"
    yield "endmodule"
    yield "// Half adder: c = 0."
    yield "module hc1gen_ha (input wire a, input wire b, output wire s, output wire co);"
    yield "    assign s = a ^ b;"
    yield "    assign co = a & b;"
    yield "endmodule"
    yield "// The carry of a full adder whose sum, up to complement, another one over the same three nets makes."
    yield "module hc1gen_maj (input wire a, input wire b, input wire c, output wire co);"
    yield "    assign co = a & b | (a ^ b) & c;"
    yield "endmodule"


def structural(tile: Tile) -> View:
    """Adders in the order of the data, then the rows' registers."""
    rows = [row for row in tile.rows if row is not None and tile.largest[row]]
    fabric = build(tile.lane_weights[rows], addend_bits=max(1, tile.drop_bits))
    offset = np.zeros(len(tile.weights), np.int64)
    offset[rows] = [row.offset for row in fabric.rows]
    bits = {row: len(made.bits) + tile.low_bits for row, made in zip(rows, fabric.rows, strict=True)}
    start, bias = constants(tile, offset)
    return View("structural", bits, bias, _lines(tile, fabric, bits, start))


def _lines(tile: Tile, fabric: Fabric, bits: dict[int, int], start: np.ndarray) -> Iterator[str]:
    names = [f"xs[{j}]" for j in range(len(tile.columns))]
    low = tile.low_bits
    yield "    // hN is half of the part of rN that adds, in the first step a constant."
    for row, width in bits.items():
        half = width - low - 1
        yield f"    wire [{half - 1}:0] h{row} = first ? {half}'d{start[row]} : r{row}[{width - 1}:{low + 1}];"
        names += [f"h{row}[{i}]" for i in range(half)]
    names += [f"n{net}" for net in range(len(names), len(fabric.network.arrival))]
    yield from instances(fabric.network, names)
    if unread := [names[j] for j in _unread(fabric, len(tile.columns))]:
        yield f"    wire unused = &{{1'b0, {', '.join(unread)}}}; // padding, and columns without a weight"
    yield "    always @(posedge clk) if (step) begin"
    for (row, _), made in zip(bits.items(), fabric.rows, strict=True):
        yield f"        r{row} <= {{{number(made.bits, names)}, r{row}[{low}:1]}};"
    yield "    end"


def _unread(fabric: Fabric, columns: int) -> list[int]:
    """Columns that no adder and no row reads."""
    read = {literal >> 1 for adder in fabric.network.adders for literal in adder.inputs}
    read |= {bit >> 1 for row in fabric.rows for bit in row.bits if bit is not None}
    return [j for j in range(columns) if j not in read]


def instances(network: Network, names: list[str]) -> Iterator[str]:
    """Lines of a network's adders; `names` are those of its nets."""
    for adder in network.adders:
        yield from _adder(adder, names)


def number(bits: Sequence[Literal | None], names: list[str]) -> str:
    """Bits, lowest first, for the inside of a concatenation."""
    return ", ".join("1'b0" if b is None else _literal(b, names) for b in reversed(bits))


def _adder(adder: Adder, names: list[str]) -> Iterator[str]:
    """One instance, named after its first output."""
    outputs = {"s": adder.s, "co": adder.co} if adder.s is not None else {"co": adder.co}
    kind = "ha" if len(adder.inputs) == 2 else "fa" if adder.s is not None else "maj"
    first = next(net for net in outputs.values() if net is not None)
    nets = {port: f"unused_{first}" if net is None else names[net] for port, net in outputs.items()}
    inputs = {port: _literal(i, names) for port, i in zip("abc", adder.inputs, strict=False)}
    ports = ", ".join(f".{port}({net})" for port, net in (inputs | nets).items())
    yield f"    wire {', '.join(nets.values())};"
    yield f"    hc1gen_{kind} u{first} ({ports});"


def _literal(literal: Literal, names: list[str]) -> str:
    return ("~" if literal & 1 else "") + names[literal >> 1]
