"""What is mapped computes what the Verilog says: simulated side by side, every register and clock gate included."""

import random
from pathlib import Path

import handmade
import pytest
from simulation import Simulation, from_verilog

from hc1gen.backend.synth import library, run
from hc1gen.backend.synth.library import Library
from hc1gen.backend.synth.netlist import Netlist
from hc1gen.backend.synth.yosys import Yosys

ADDERS = """
module hc1gen_fa(input a, b, c, output s, co); assign {co, s} = a + b + c; endmodule
module hc1gen_ha(input a, b, output s, co); assign {co, s} = a + b; endmodule
module hc1gen_maj(input a, b, c, output co); assign co = a & b | a & c | b & c; endmodule
"""
PATTERNS, CLOCKS = 64, 30
LIBRARIES = {
    "generic": None,
    "tiny": handmade.CELLS,
    "inverting": handmade.CELLS | handmade.INVERTING,
    "no clock gate": {k: v for k, v in handmade.CELLS.items() if k != "clock gate"},
    "no majority": {k: v for k, v in handmade.CELLS.items() if k != "majority"},
}


@pytest.fixture(scope="module", params=LIBRARIES)
def mapped(request, tmp_path_factory) -> tuple[Path, Path, Library | None]:
    """(chip, its netlists, library)"""
    folder, cells = tmp_path_factory.mktemp("chip"), LIBRARIES[request.param]
    files = [] if cells is None else [handmade.library(folder, cells)]
    chip = handmade.chip(folder / "chip with a space")
    run.synthesise(chip, files)
    found = library.load(files, Yosys()) if files else None
    return chip, chip / "synth" / (found.name if found else "generic"), found


@pytest.mark.parametrize("name", ["block", "tile"])
def test_netlist_computes_what_the_verilog_says(mapped, name, tmp_path):
    _, out, found = mapped
    source = tmp_path / "gold.v"
    source.write_text((handmade.BLOCK if name == "block" else handmade.TILE) + ADDERS)
    gold = from_verilog(source, name, tmp_path, gold=True)
    gates = from_verilog(out / f"{name}.v", name, tmp_path, found)
    assert differences(gold, gates, found) == 0


SHARED = """
module block(input clk, input s, input [7:0] a, b, c, output reg [7:0] y, output reg [3:0] n);
    always @(posedge clk) begin
        y <= s ? a ^ c : b ^ c;
        n <= s ? a + c : b + c;
    end
endmodule
"""


@pytest.mark.parametrize("name", ["generic", "tiny", "inverting"])
def test_gates_that_two_sides_of_a_choice_share(name, tmp_path):
    """yosys' opt_share puts a multiplexer of words in front of them."""
    chip, cells = handmade.chip(tmp_path / "chip"), LIBRARIES[name]
    (chip / "rtl/blocks/block.v").write_text(SHARED)
    files = [] if cells is None else [handmade.library(tmp_path, cells)]
    run.synthesise(chip, files)
    found = library.load(files, Yosys()) if files else None
    gold = from_verilog(chip / "rtl/blocks/block.v", "block", tmp_path, gold=True)
    netlist = chip / "synth" / (found.name if found else "generic") / "block.v"
    assert differences(gold, from_verilog(netlist, "block", tmp_path, found), found) == 0


def test_a_broken_netlist_differs(mapped, tmp_path):
    _, out, found = mapped
    gold = from_verilog(out / "tile.v", "tile", tmp_path, found)
    broken = from_verilog(out / "tile.v", "tile", tmp_path, found)
    bits = broken.module["ports"]["x"]["bits"]
    bits[0], bits[3] = bits[3], bits[0]
    assert differences(gold, broken, found) > 0


def test_a_test_pin_of_a_clock_gate_is_tied(mapped):
    _, out, found = mapped
    text = (out / "block.v").read_text()
    assert (".T(1'h0)" in text) is bool(found and found.clock_gate and found.clock_gate.low)


def differences(gold: Netlist, gates: Netlist, found: Library | None) -> int:
    """Clocks in which any output differs, from the second reset on."""
    rng = random.Random(1)
    pair = Simulation(gold, found, PATTERNS), Simulation(gates, found, PATTERNS)
    inputs = {n: len(p["bits"]) for n, p in gold.module["ports"].items() if p["direction"] == "input" and n != "clk"}
    wrong = 0
    for clock in range(CLOCKS):
        values = {name: [rng.getrandbits(PATTERNS) for _ in range(width)] for name, width in inputs.items()}
        values |= (
            {"rst": [(1 << PATTERNS) - 1 if clock % 10 == 0 else 0], "clk": [0]} if "rst" in inputs else {"clk": [0]}
        )
        a, b = (simulation.clock(values) for simulation in pair)
        wrong += a != b
    return wrong


@pytest.mark.parametrize("n, m", [(3, 3), (5, 4), (4, 6)])
@pytest.mark.parametrize("signs", ["unsigned", "signed", "a signed", "square", "signed square"])
def test_multiplier_is_proved(n, m, signs, tmp_path):
    """By yosys' SAT solver, against its own multiplier, for all inputs."""
    from hc1gen.backend.synth.script import MULTIPLY

    sign = "" if signs in ("unsigned", "square") else "signed "
    factor = "a" if "square" in signs else "$signed({1'b0, b})" if signs == "a signed" else "b"
    top = f"input {sign}[{n - 1}:0] a, input {sign}[{m - 1}:0] b, output {sign}[{n + m}:0] y"
    (tmp_path / "top.v").write_text(f"module top({top}); assign y = a * {factor}; endmodule")
    (tmp_path / "adders.v").write_text(ADDERS)
    commands = [
        f"read_verilog {tmp_path / 'top.v'}", "hierarchy -top top", "proc", "opt", "copy top gold", "rename top gate",
        f"techmap -map {MULTIPLY} gate", "select -assert-none gate/t:$mul",
        f"read_verilog {tmp_path / 'adders.v'}", "proc", "flatten gate", "select -clear",
        "miter -equiv -flatten gold gate miter", "sat -verify -prove trigger 0 miter",
    ]  # fmt: skip
    assert "SUCCESS" in Yosys().run("multiplier", commands)
