"""Cells as Verilog modules, for simulating a mapped netlist: what yosys understands of the library, and clock gates."""

import tempfile
from pathlib import Path

from .library import ClockGate, Library
from .yosys import Yosys

GENERIC = """\
// s + 2*co = a + b + c
module hc1gen_fa(input wire a, input wire b, input wire c, output wire s, output wire co);
    assign {co, s} = a + b + c;
endmodule
module hc1gen_ha(input wire a, input wire b, output wire s, output wire co);
    assign {co, s} = a + b;
endmodule
module hc1gen_maj(input wire a, input wire b, input wire c, output wire co);
    assign co = a & b | a & c | b & c;
endmodule
"""


def cell_models(library: Library | None, yosys: Yosys) -> str:
    """Verilog of every cell that a netlist of `library` can hold, without delays; None: of generic cells."""
    if library is None:
        return GENERIC
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "library.lib", Path(folder) / "cells.v"
        source.write_text(library.text)
        read = f"read_liberty -ignore_miss_func {source}"
        yosys.run(library.name, [read, "opt_merge", "opt_clean -purge", f"write_verilog -noattr {result}"])
        text = result.read_text()
    return text + (_clock_gate(library.clock_gate) if library.clock_gate else "")


def _clock_gate(gate: ClockGate) -> str:
    """A latch, open while the clock is low, and an AND; a test pin opens it as well."""
    enable = " | ".join([gate.enable, *gate.low])
    ports = ", ".join(f"input wire {pin}" for pin in (gate.clock, gate.enable, *gate.low))
    return f"""
module {gate.cell}({ports}, output wire {gate.out});
    reg open;
    /* verilator lint_off LATCH */  // a clock gate is a latch
    always @* if (!{gate.clock}) open = {enable};
    assign {gate.out} = {gate.clock} & open;
endmodule
"""
