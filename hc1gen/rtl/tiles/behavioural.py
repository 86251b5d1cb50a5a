"""The behavioural view of a tile: counts written as expressions, for simulation and for any synthesis tool.

The digits of a row are grouped by what they are worth (1, 2, 3, 4; 8, 16, 24, 32). The inputs of a group are counted,
and the count is multiplied by that worth. The expressions are inside the clocked block, so that a simulator evaluates
them only in tiles that work in a clock.
"""

from collections.abc import Iterator

import numpy as np

from ...fabric.digits import BASE_BITS, LARGEST, digits
from .module import Body, constants, module, register_bits
from .tile import Tile
from .view import File, View


def behavioural(tile: Tile) -> Iterator[File]:
    """The file of a tile. Each row is one line: half of its register plus a count."""
    yield File(f"rtl/tiles/{tile.name}.sv", tile.name, _module(tile))


BEHAVIOURAL = View("behavioural", behavioural)
"""The view that is written by default; it needs no files besides the tiles."""


def _module(tile: Tile) -> Iterator[str]:
    """Lines of the module of a tile."""
    room = np.array([max(int(largest).bit_length(), tile.drop_bits) for largest in tile.largest])
    start, bias = constants(tile, np.zeros_like(tile.largest), room)
    bits = register_bits(tile, room)
    yield from module(tile, Body("behavioural", bits, bias, _lines(tile, bits, start)))


def _lines(tile: Tile, bits: dict[int, int], start: np.ndarray) -> Iterator[str]:
    """Lines of the clocked block with the registers of all slots. `bits`, `start`: see `_group`."""
    yield "    // xs ^ SIGN inverts the bits of negative weights; & MASK selects the bits of weights of one magnitude."
    if tile.row_groups == 1:
        yield "    always @(posedge clk) if (step) begin"
        yield from _group(tile, 0, bits, start)
        yield "    end"
    else:
        yield "    always @(posedge clk) if (step) case (group)"
        for group in range(tile.row_groups):
            label = "default" if group == tile.row_groups - 1 else tile.group_number(group)
            yield f"    {label}: begin"
            yield from _group(tile, group, bits, start)
            yield "    end"
        yield "    endcase"


def _group(tile: Tile, group: int, bits: dict[int, int], start: np.ndarray) -> Iterator[str]:
    """One line for each slot of a row group. `bits`: slot → width of its register; `start` [R]: see `constants`."""
    for slot, rows in tile.slots.items():
        row = rows[group]
        weights = np.zeros(len(tile.columns), np.int64) if row is None else tile.lane_weights[row]
        yield _row(weights, slot, bits[slot], tile.low_bits, tile.half if row is None else int(start[row]))


def _row(w: np.ndarray, slot: int, bits: int, low: int, start: int) -> str:
    """A register and its next value: half of the upper part plus the weighted count, above `low` bits that shift down.

    `w`: the weights in the order of the input lanes; `bits`: width of the register; `start`: first value of the upper
    part.
    """
    top = bits - low  # width of the upper part, which adds
    terms = []
    for place, of_place in enumerate(digits(w)):
        sign = _mask(of_place < 0)
        for magnitude in range(1, LARGEST + 1):
            group = np.abs(of_place) == magnitude
            if group.any():
                inputs = f"(xs ^ {sign}) & {_mask(group)}" if (of_place[group] < 0).any() else f"xs & {_mask(group)}"
                worth = magnitude << BASE_BITS * place
                terms.append((f"{top}'d{worth} * " if worth > 1 else "") + f"{top}'($countones({inputs}))")
    half = f"first ? {top}'d{start} : {{1'b0, r{slot}[{bits - 1}:{low + 1}]}}"
    return f"        r{slot} <= {{{' + '.join([f'({half})', *terms])}, r{slot}[{low}:1]}};"


def _mask(lanes: np.ndarray) -> str:
    """Booleans [N] as a Verilog constant of N bits in hexadecimal, lane 0 in bit 0."""
    digits = np.packbits(lanes, bitorder="little")[::-1].tobytes().hex().lstrip("0") or "0"
    return f"{len(lanes)}'h{digits}"
