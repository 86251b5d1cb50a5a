"""Mapped tiles and tables read back by driving them, and what a library's cells do."""

import random
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyosys", reason="pyosys is not installed")

from reading import STRUCTURAL, expected, random_tile, same, shape, source, text

from hc1gen.backend.synth.yosys import Yosys
from hc1gen.backend.verify.circuit import Unreadable
from hc1gen.backend.verify.jobs import MAPPED, Source, TileJob, run
from hc1gen.backend.verify.library import clock_gates, read_library
from hc1gen.backend.verify.simulate import Simulator
from hc1gen.backend.verify.tables import read_table
from hc1gen.errors import InputError

TILE = random_tile(9, 10, 4, row_groups=2)


@pytest.fixture(scope="module")
def netlist(tmp_path_factory) -> str:
    """TILE as gates; its adders are dissolved."""
    folder = tmp_path_factory.mktemp("netlist")
    written = source(folder, STRUCTURAL, text(TILE, STRUCTURAL))
    sources = " ".join(str(path) for path in (written.path, *written.others))
    out = folder / "netlist.v"
    steps = ["hierarchy -top tile", "proc", "flatten", "opt", "techmap", "opt", "abc -g gates", "opt_clean"]
    Yosys().run("tile", [f"read_verilog {sources}", *steps, f"write_verilog -noattr {out}"])
    return out.read_text()


def read(folder: Path, verilog: str):
    (folder / "tile.v").write_text(verilog)
    return run(TileJob(Source("tile", folder / "tile.v", MAPPED), shape(TILE)))


def test_reads_a_netlist_of_gates(tmp_path, netlist):
    assert "hc1gen_fa" not in netlist
    assert same(read(tmp_path, netlist), expected(TILE))


@pytest.mark.parametrize("seed", range(4))
def test_an_inverted_bit_is_noticed(tmp_path, netlist, seed):
    """In front of a register: further back, a change may make no difference for any beat that there is."""
    chosen = random.Random(seed).choice(list(re.finditer(r"<= (_\w+_(\[\d+\])?);", netlist)))
    spoilt = f"{netlist[: chosen.start(1)]}~{netlist[chosen.start(1) :]}"
    assert not same(read(tmp_path, spoilt), expected(TILE)), chosen[0]


LIBRARY = """library (small) {
  cell (NAND) { area : 1; pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "!(A B)"; } }
  cell ("GATE") { area : 3; clock_gating_integrated_cell : "latch_posedge_precontrol";
    pin (CK) { direction : input; clock_gate_clock_pin : true; }
    pin (E) { direction : input; clock_gate_enable_pin : true; }
    pin (SE) { direction : input; clock_gate_test_pin : true; }
    pin (GCK) { direction : output; clock_gate_out_pin : true; } }
  cell (FF) { area : 5; ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) { direction : input; clock : true; } pin (D) { direction : input; }
    pin (Q) { direction : output; function : "IQ"; } }
}
"""
GATED = """module t(input clk, input e, input d, output q);
  wire gck; GATE g (.CK(clk), .E(e), .SE(1'b0), .GCK(gck)); FF f (.CK(gck), .D(d), .Q(q));
endmodule
"""


def test_cells_of_a_library_and_their_clock_gates(tmp_path):
    (tmp_path / "small.lib").write_text(LIBRARY)
    (tmp_path / "t.v").write_text(GATED)
    cells = read_library([tmp_path / "small.lib"])
    assert set(cells) == {"NAND", "FF", "GATE"}
    simulator = Simulator(Source("t", tmp_path / "t.v", MAPPED, cells=cells).circuit(), 4)
    simulator.set("e", [0b0011])
    simulator.set("d", [0b0101])
    simulator.tick()
    simulator.settle()
    assert simulator.output("q") == [0b0001], "only where the enable is on"
    simulator.set("e", [0b1111])
    simulator.tick()
    simulator.settle()
    assert simulator.output("q") == [0b0101]


def test_a_netlist_without_its_library_is_refused(tmp_path):
    (tmp_path / "t.v").write_text(GATED)
    with pytest.raises(Unreadable):
        Simulator(Source("t", tmp_path / "t.v", MAPPED).circuit(), 1)


def test_what_is_no_library_is_refused(tmp_path):
    (tmp_path / "a.lib").write_text("module a; endmodule")
    with pytest.raises(InputError, match=r"a\.lib: not a Liberty file"):
        read_library([tmp_path / "a.lib"])
    assert not list(clock_gates("cell (A) { pin (B) { direction : input; } }"))


def test_tables_are_read_at_every_address(tmp_path):
    rows = "\n".join(f"3'd{i}: y = 8'd{37 * i % 256};" for i in range(7))
    (tmp_path / "t.sv").write_text(
        f"module t(input [2:0] a, output reg [7:0] y); always @* case (a)\n{rows}\ndefault: y = 0; endcase endmodule\n"
    )
    circuit = Source("t", tmp_path / "t.sv", "behavioural").circuit("memory_collect", "memory_map")
    found = read_table(circuit, "a", 8, {"y": 2})["y"]
    values = [37 * i % 256 if i < 7 else 0 for i in range(8)]
    assert np.array_equal(found, [[v & 15, v >> 4] for v in values])
    with pytest.raises(Unreadable, match="do not reach 9"):
        read_table(circuit, "a", 9, {"y": 1})
    with pytest.raises(Unreadable, match="8 bits of y are not 3 lanes"):
        read_table(circuit, "a", 8, {"y": 3})
