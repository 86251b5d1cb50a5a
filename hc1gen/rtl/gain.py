"""Constant tables of RMSNorm gains, written as Verilog text."""

from collections.abc import Iterator

import numpy as np

from ..network import Norm, Plan
from ..numeric.numerics import bits_for
from ..quant.quantized import QuantizedModel
from .tiles import File
from .wiring import tables


def gain_module(node: Norm, gain: np.ndarray, bits: int) -> Iterator[str]:
    """Lines of the Verilog module `node.module`, a combinational table of RMSNorm gains.

    Parameters
        gain: int64 [node.width], fixed point, times the square root of the width.
        bits: signed width of a gain.
    Ports
        beat (in, unsigned): number of a beat of `node.order`.
        gain (out, `node.lanes` fields of `bits` bits): the gains of that beat, lane 0 in the low bits, padding 0.
    """
    order, lanes = node.order, node.lanes
    beats = len(order) // lanes
    width = bits_for(beats - 1)
    yield f"// RMSNorm gains of {node.tensor}, times the square root of the vector's length."
    yield f"module {node.module} (input wire [{width - 1}:0] beat, output reg [{lanes * bits - 1}:0] gain);"
    yield "    always @* case (beat)"
    for b in range(beats):
        values = [0 if i is None else int(gain[i]) & ((1 << bits) - 1) for i in order[b * lanes : (b + 1) * lanes]]
        label = "default" if b == beats - 1 else f"{width}'d{b}"
        constants = ", ".join(f"{bits}'d{v}" for v in reversed(values))
        yield f"        {label}: gain = {{{constants}}};"
    yield "    endcase"
    yield "endmodule"


@tables.register
def _(node: Norm, model: QuantizedModel, plan: Plan) -> Iterator[File]:
    """The table of gains."""
    lines = gain_module(node, model.gain(node.tensor).gain, model.config.gain_bits)
    yield File(f"rtl/tiles/{node.module}.sv", node.module, lines)
