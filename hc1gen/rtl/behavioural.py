"""The behavioural view of a tile: counts as expressions, for simulation and for any synthesiser.

Weights are grouped by magnitude (1, 2, 3, 4): a group is counted, the count is weighted. The expressions stand inside
the clocked block, so that a simulator evaluates only tiles that work.
"""

from collections.abc import Iterator

import numpy as np

from .tile import Tile, View, bias


def behavioural(tile: Tile) -> View:
    """One line per row: half the register plus a count."""
    largest = tile.largest
    bits = {
        row: int(2 * largest[row]).bit_length() + tile.act_bits - 1
        for row in tile.rows if row is not None and largest[row]
    }  # fmt: skip
    return View("behavioural", bits, bias(tile, np.zeros_like(largest)), _lines(tile, bits))


def _lines(tile: Tile, bits: dict[int, int]) -> Iterator[str]:
    yield "    // xs ^ SIGN inverts the bits that meet negative weights, & MASK picks those that meet one magnitude."
    yield "    always @(posedge clk) if (step) begin"
    for row, width in bits.items():
        yield _row(tile.lane_weights[row], row, width, tile.act_bits)
    yield "    end"


def _row(w: np.ndarray, row: int, bits: int, act_bits: int) -> str:
    """One row's clock: half the register plus the weighted count, the bit that falls out kept below."""
    top = bits - act_bits + 1  # width of the part that adds
    sign = _mask(w < 0)
    terms = []
    for magnitude in (1, 2, 3, 4):
        group = np.abs(w) == magnitude
        if group.any():
            inputs = f"(xs ^ {sign}) & {_mask(group)}" if (w[group] < 0).any() else f"xs & {_mask(group)}"
            terms.append((f"{top}'d{magnitude} * " if magnitude > 1 else "") + f"{top}'($countones({inputs}))")
    half = f"first ? {top}'d0 : {{1'b0, r{row}[{bits - 1}:{act_bits}]}}"
    return f"        r{row} <= {{({half}) + {' + '.join(terms)}, r{row}[{act_bits - 1}:1]}};"


def _mask(lanes: np.ndarray) -> str:
    """Boolean [N] as a sized hexadecimal constant, lane 0 in bit 0."""
    digits = np.packbits(lanes, bitorder="little")[::-1].tobytes().hex().lstrip("0") or "0"
    return f"{len(lanes)}'h{digits}"
