"""The structural view of a tile: every row is a network of full and half adders.

With one row group, the upper part of a row's register is one of the numbers that the network adds. With several row
groups, rows share a register, so the count is chosen first and a second network adds it. The adders are instances of
the modules in `adders`, which a flow maps one by one to adder cells of its library.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...fabric.build import Fabric, build
from ...fabric.compress import compress
from ...fabric.network import Adder, Literal, Network
from .module import Body, constants, module, register_bits
from .tile import Tile
from .view import File, View

FOLDER = "rtl/structural"
"""Folder of the view's files."""
ADDERS = "adders"
"""Name of the file with the modules of the adders."""


def adders() -> Iterator[str]:
    """Lines of the modules of full adder, half adder and majority gate."""
    yield "// The adders of structural tiles: s + 2 * co = a + b + c. A flow maps each one to a cell of its library."
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
    yield "// Only the carry of a full adder. Its sum is that of another full adder on the same nets or complements."
    yield "module hc1gen_maj (input wire a, input wire b, input wire c, output wire co);"
    yield "    assign co = a & b | (a ^ b) & c;"
    yield "endmodule"


def structural(tile: Tile) -> Iterator[File]:
    """The file of a tile: adders in the order of the data, then the registers of the slots."""
    yield File(f"{FOLDER}/{tile.name}.v", tile.name, _module(tile))


def shared() -> Iterator[File]:
    """The file with the modules of the adders, for all tiles."""
    yield File(f"{FOLDER}/{ADDERS}.v", ADDERS, adders())


STRUCTURAL = View("structural", structural, shared)
"""The view with one instance for each adder, for synthesis."""


def _module(tile: Tile) -> Iterator[str]:
    """Lines of the module of a tile; its adders are computed when the first line is asked for."""
    rows = [row for group in range(tile.row_groups) for slot in tile.slots.values() if (row := slot[group]) is not None]
    shared = tile.row_groups > 1
    fabric = build(tile.lane_weights[rows], addend_bits=0 if shared else max(1, tile.drop_bits))
    place = {row: i for i, row in enumerate(rows)}
    offset, room = np.zeros(len(tile.weights), np.int64), np.zeros(len(tile.weights), np.int64)
    offset[rows] = [made.offset for made in fabric.rows]
    room[rows] = [len(made.bits) - (not shared) for made in fabric.rows]
    for slot in tile.slots.values():  # rows that share a register need the same width
        used = [row for row in slot if row is not None]
        room[used] = max(*room[used], tile.drop_bits)
    start, bias = constants(tile, offset, room)
    bits = register_bits(tile, room)
    yield from module(tile, Body("structural", bits, bias, _lines(tile, fabric, place, bits, start)))


def _lines(tile: Tile, fabric: Fabric, place: dict[int, int], bits: dict[int, int], start: np.ndarray) -> Iterator[str]:
    """Lines between ports and read-out.

    place: row → its index in `fabric.rows`. bits: slot → width of its register. start: int64 [R], see `constants`.
    """
    low = tile.low_bits
    names = [f"xs[{j}]" for j in range(len(tile.columns))]
    halves = {slot: width - low - 1 for slot, width in bits.items()}
    yield "    // hN is half of the upper part of rN, which adds; in the first step it is a constant."
    for slot, half in halves.items():
        starts = (tile.half if row is None else start[row] for row in tile.slots[slot])
        begin = _by_group(tile, [f"{half}'d{each}" for each in starts])
        yield f"    wire [{half - 1}:0] h{slot} = first ? {begin} : r{slot}[{bits[slot] - 1}:{low + 1}];"
    if tile.row_groups == 1:
        names += [f"h{slot}[{i}]" for slot, half in halves.items() for i in range(half)]
    names += [f"n{net}" for net in range(len(names), len(fabric.network.arrival))]
    yield from instances(fabric.network, names)
    if unread := [names[j] for j in _unread(fabric, len(tile.columns))]:
        yield f"    wire unused = &{{1'b0, {', '.join(unread)}}}; // padding, and columns without a weight"
    counts = {row: fabric.rows[i].bits for row, i in place.items()}
    if tile.row_groups == 1:
        sums = {slot: number(counts[row], names) for slot, (row,) in tile.slots.items() if row is not None}
    else:
        yield "    // cN is the count of the row that rN holds."
        for slot, half in halves.items():
            of_groups = (() if row is None else counts[row] for row in tile.slots[slot])
            words = [f"{{{number((*each, *[None] * (half - len(each))), names)}}}" for each in of_groups]
            yield f"    wire [{half - 1}:0] c{slot} = {_by_group(tile, words)};"
        network, totals = _accumulate(halves)
        names = [f"{word}{slot}[{i}]" for slot, half in halves.items() for word in "ch" for i in range(half)]
        names += [f"m{net}" for net in range(len(names), len(network.arrival))]
        yield from instances(network, names)
        sums = {slot: number(bits_, names) for slot, bits_ in zip(halves, totals, strict=True)}
    yield "    always @(posedge clk) if (step) begin"
    for slot, total in sums.items():
        yield f"        r{slot} <= {{{total}, r{slot}[{low}:1]}};"
    yield "    end"


def _by_group(tile: Tile, words: Sequence[str]) -> str:
    """A Verilog expression that selects the word of the present row group."""
    choices = [f"group == {tile.group_number(p)} ? {word} : " for p, word in enumerate(words) if word != words[-1]]
    return f"({''.join(choices)}{words[-1]})" if choices else words[-1]


def _accumulate(halves: Mapping[int, int]) -> tuple[Network, list[list[Literal | None]]]:
    """For every slot, adders for the sum of two numbers: the count, and half of the register.

    halves: slot → width of both numbers. Returns the network, and for each slot the bits of its sum, lowest first. The
    inputs of the network are, slot by slot, the bits of the count and then those of the register.
    """
    network = Network(2 * sum(halves.values()))
    totals, first = [], 0
    for half in halves.values():
        columns = [[2 * (first + i), 2 * (first + half + i)] for i in range(half)]
        totals.append(compress(network, columns, half + 1)[0])
        first += 2 * half
    return network, totals


def _unread(fabric: Fabric, columns: int) -> list[int]:
    """Numbers of the columns that no adder and no row reads."""
    read = {literal >> 1 for adder in fabric.network.adders for literal in adder.inputs}
    read |= {bit >> 1 for row in fabric.rows for bit in row.bits if bit is not None}
    return [j for j in range(columns) if j not in read]


def instances(network: Network, names: list[str]) -> Iterator[str]:
    """Lines with the instances of a network's adders. `names[net]` is the name of a net."""
    for adder in network.adders:
        yield from _adder(adder, names)


def number(bits: Sequence[Literal | None], names: list[str]) -> str:
    """A number as the list of bits inside a Verilog concatenation; `bits` has its lowest bit first, None is 0."""
    return ", ".join("1'b0" if b is None else _literal(b, names) for b in reversed(bits))


def _adder(adder: Adder, names: list[str]) -> Iterator[str]:
    """Lines of one instance, which is named after its first output."""
    outputs = {"s": adder.s, "co": adder.co} if adder.s is not None else {"co": adder.co}
    kind = "ha" if len(adder.inputs) == 2 else "fa" if adder.s is not None else "maj"
    first = next(net for net in outputs.values() if net is not None)
    nets = {port: f"unused_{names[first]}" if net is None else names[net] for port, net in outputs.items()}
    inputs = {port: _literal(i, names) for port, i in zip("abc", adder.inputs, strict=False)}
    ports = ", ".join(f".{port}({net})" for port, net in (inputs | nets).items())
    yield f"    wire {', '.join(nets.values())};"
    yield f"    hc1gen_{kind} u{names[first]} ({ports});"


def _literal(literal: Literal, names: list[str]) -> str:
    """A literal in Verilog: a net, or its complement."""
    return ("~" if literal & 1 else "") + names[literal >> 1]
