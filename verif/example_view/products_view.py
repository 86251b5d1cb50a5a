"""A third view of a tile: the vector is kept, and products are formed where rows are read out.

The other views count every plane into a register for each row. Here the planes are collected into the vector's
mantissas, and a row is one expression, `(w0 * x0 + w1 * x1 + ... + half) >> drop`, evaluated when its beat is read.
Ports and timing are those of all views: that is what makes it a view.
"""

from collections.abc import Iterator

import numpy as np

from hc1gen.numeric.numerics import bits_for
from hc1gen.rtl.cmvm import SHIFT_BITS
from hc1gen.rtl.tiles import File, Tile, View
from hc1gen.rtl.tiles.module import ports


def products(tile: Tile) -> Iterator[File]:
    """The one file of a tile."""
    yield File(f"rtl/products/{tile.name}.sv", tile.name, _lines(tile))


PRODUCTS = View("products", products)


def _lines(tile: Tile) -> Iterator[str]:
    columns, bits = len(tile.columns), tile.act_bits
    yield f"// Tile {tile.name}, products view: rows are multiplied out where they are read."
    yield from ports(tile)
    yield "    wire unused = &{1'b0, first, last}; // planes come in order, so that neither is needed"
    for column in range(columns):
        yield f"    reg signed [{bits - 1}:0] v{column};"
    yield "    always @(posedge clk) if (step) begin"
    for column in range(columns):
        yield f"        v{column} <= {{x[{column}], v{column}[{bits - 1}:1]}};"
    yield "    end"
    yield "    always @(posedge clk) if (read)"
    yield f"        case ({'{group, beat}' if tile.row_groups > 1 else 'beat'})"
    for index in range(tile.beats):
        yield from _beat(tile, index)
    yield "        endcase"
    yield "endmodule"


def _beat(tile: Tile, index: int) -> Iterator[str]:
    """What is put out when beat `index` is read."""
    group, beat = divmod(index, tile.group_beats)
    label = f"{bits_for(tile.group_beats - 1)}'d{beat}"
    if tile.row_groups > 1:
        label = f"{{{tile.group_number(group)}, {label}}}"
    yield f"            {'default' if index == tile.beats - 1 else label}: begin"
    for lane, row in enumerate(tile.rows[index * tile.lanes : (index + 1) * tile.lanes]):
        weights = np.zeros(len(tile.columns), np.int64) if row is None else tile.lane_weights[row]
        yield f"                acc[{lane * tile.acc_bits} +: {tile.acc_bits}] <= {_product(tile, weights)};"
        for port, bits, values in (("mantissa", tile.scale_bits, tile.mantissa), ("shift", SHIFT_BITS, tile.shift)):
            value = 0 if row is None else int(values[row]) & ((1 << bits) - 1)
            yield f"                {port}[{lane * bits} +: {bits}] <= {bits}'d{value};"
    yield "            end"


def _product(tile: Tile, weights: np.ndarray) -> str:
    """A row's product, rounded, as an expression of the width of an accumulator."""
    terms = [f"{weight} * v{column}" for column, weight in enumerate(weights) if weight]
    return f"{tile.acc_bits}'(({' + '.join([str(tile.half), *terms])}) >>> {tile.drop_bits})"
