"""The behavioural view of a tile: counts as expressions, for simulation and for any synthesiser.

Weights are grouped by magnitude (1, 2, 3, 4): a group is counted, the count is weighted. The expressions stand inside
the clocked block, so that a simulator evaluates only tiles that work.
"""

from collections.abc import Iterator

import numpy as np

from .tile import Tile, View, constants


def behavioural(tile: Tile) -> View:
    """One line per row: half the register plus a count."""
    largest = tile.largest
    start, bias = constants(tile, np.zeros_like(largest))
    bits = {
        row: int(largest[row] + max(largest[row], start[row])).bit_length() + tile.low_bits
        for row in tile.rows if row is not None and largest[row]
    }  # fmt: skip
    return View("behavioural", bits, bias, _lines(tile, bits, start))


def _lines(tile: Tile, bits: dict[int, int], start: np.ndarray) -> Iterator[str]:
    yield "    // xs ^ SIGN inverts the bits that meet negative weights, & MASK picks those that meet one magnitude."
    yield "    always @(posedge clk) if (step) begin"
    for row, width in bits.items():
        yield _row(tile.lane_weights[row], row, width, tile.low_bits, int(start[row]))
    yield "    end"


def _row(w: np.ndarray, row: int, bits: int, low: int, start: int) -> str:
    """One row's clock: half the register plus the weighted count; what falls out moves down through `low` bits."""
    top = bits - low  # width of the part that adds
    sign = _mask(w < 0)
    terms = []
    for magnitude in (1, 2, 3, 4):
        group = np.abs(w) == magnitude
        if group.any():
            inputs = f"(xs ^ {sign}) & {_mask(group)}" if (w[group] < 0).any() else f"xs & {_mask(group)}"
            terms.append((f"{top}'d{magnitude} * " if magnitude > 1 else "") + f"{top}'($countones({inputs}))")
    half = f"first ? {top}'d{start} : {{1'b0, r{row}[{bits - 1}:{low + 1}]}}"
    return f"        r{row} <= {{({half}) + {' + '.join(terms)}, r{row}[{low}:1]}};"


def _mask(lanes: np.ndarray) -> str:
    """Boolean [N] as a sized hexadecimal constant, lane 0 in bit 0."""
    digits = np.packbits(lanes, bitorder="little")[::-1].tobytes().hex().lstrip("0") or "0"
    return f"{len(lanes)}'h{digits}"
