"""Constant tables of RMSNorm gains, as Verilog text."""

from collections.abc import Iterator

import numpy as np

from ..quant.numerics import bits_for
from .plan import Order


def gain_module(name: str, tensor: str, gain: np.ndarray, order: Order, lanes: int, bits: int) -> Iterator[str]:
    """Lines of a constant table of RMSNorm gains: beat number in, gains of its lanes out. Combinational."""
    beats = len(order) // lanes
    width = bits_for(beats - 1)
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
