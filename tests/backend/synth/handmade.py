"""A cell library and a chip of a few cells, made by hand."""

from pathlib import Path

from handmade_folder import handmade

from hc1gen.backend.folder.manifest import TileContent
from hc1gen.backend.folder.modules import (
    BlockModule,
    MemoryModule,
    Module,
    NetlistModule,
    SharedModule,
    TableModule,
    TileModule,
)

TABLES = "".join(f'{t} (t) {{ values ("0.1, 0.2", "0.2, 0.3"); }} ' for t in
                 ("cell_rise", "cell_fall", "rise_transition", "fall_transition"))  # fmt: skip


def cell(name: str, area: float, inputs: str, outputs: dict[str, str], extra: str = "") -> str:
    """A cell in Liberty: `inputs` are names apart, `outputs` name → function."""
    pins = [f"pin ({pin}) {{ direction : input; capacitance : 1; }}" for pin in inputs.split()]
    times = "".join(f'timing () {{ related_pin : "{pin}"; {TABLES}}} ' for pin in inputs.split())
    pins += [f'pin ({pin}) {{ direction : output; function : "{f}"; {times}}}' for pin, f in outputs.items()]
    return "\n".join([f"cell ({name}) {{", f"area : {area};", extra, *pins, "}"])


CELLS = {
    "not": cell("NOT", 1, "A", {"Y": "!A"}),
    "buffer": cell("PASS", 1.5, "A", {"Y": "A"}),
    "nand": cell("NAND", 2, "A B", {"Y": "!(A & B)"}),
    "big nand": cell("NANDX4", 3, "A B", {"Y": "!(A & B)"}),
    "banned": cell("NANDX0", 1, "A B", {"Y": "!(A & B)"}, "dont_use : true;"),
    "nor": cell("NOR", 2, "A B", {"Y": "!(A | B)"}),
    "xor": cell("XOR", 5, "A B", {"Y": "A ^ B"}),
    "adder": cell("TALL", 12, "P Q R", {"S": "P ^ Q ^ R", "T": "(P & Q) | (P & R) | (Q & R)"}),
    "majority": cell("MOST", 4, "A B C", {"Y": "!((A & B) | (A & C) | (B & C))"}),
    "flip-flop": cell("KEEP", 9, "D CK", {"Q": "IQ"}, 'ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }'),
    "clock gate": """cell (HALT) { area : 6; clock_gating_integrated_cell : "latch_posedge";
        pin (CK) { direction : input; clock : true; clock_gate_clock_pin : true; }
        pin (E) { direction : input; clock_gate_enable_pin : true; }
        pin (G) { direction : output; clock_gate_out_pin : true; } }""",
}
INVERTING = {
    "adder": cell("FLIP", 12, "P Q R", {"S": "!(P ^ Q ^ R)", "T": "!((P & Q) | (P & R) | (Q & R))"}),
    "flip-flop": cell("KEEPN", 9, "D CK", {"QN": "IQN"}, 'ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }'),
}
INVERTING["clock gate"] = CELLS["clock gate"].replace(
    "pin (E)", "pin (T) { direction : input; clock_gate_test_pin : true; } pin (E)"
)
"""Cells whose outputs are inverted and a clock gate with a test pin, as ASAP7 has them."""


def library(folder: Path, cells: dict[str, str] | None = None, name: str = "tiny_fast") -> Path:
    """A Liberty file in `folder`."""
    path = folder / f"{name}.lib"
    head = """time_unit : "1ns"; capacitive_load_unit (1, ff); delay_model : table_lookup;
        lu_table_template (t) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
        index_1 ("0.1, 1"); index_2 ("1, 10"); }"""
    path.write_text("\n".join([f"library ({name}) {{", head, *(CELLS if cells is None else cells).values(), "}"]))
    return path


BLOCK = """
module block(input clk, input rst, input en, input signed [4:0] a, input signed [3:0] b, input [3:0] c,
             output reg signed [9:0] y, output reg [8:0] z, output [15:0] w, output m);
    reg [15:0] sum;
    assign w = sum;
    assign m = a > b;
    always @(posedge clk) begin
        if (en) begin
            y <= a * b;
            z <= a * a;
            sum <= sum + a * $signed({1'b0, c});
        end
        if (rst) sum <= 0;
    end
endmodule
"""
TILE = """
module tile(input clk, input step, input [3:0] x, output reg [2:0] r0);
    wire s, t, u, v;
    hc1gen_fa u0 (.a(x[0]), .b(~x[1]), .c(x[2]), .s(s), .co(t));
    hc1gen_ha u1 (.a(s), .b(x[3]), .s(u), .co(v));
    wire k;
    hc1gen_maj u2 (.a(x[1]), .b(t), .c(~v), .co(k));
    always @(posedge clk) if (step) r0 <= {k, v, u};
endmodule
"""
ROM = """
// table
module gain(input wire [1:0] beat, output reg [3:0] gain);
    always @* case (beat) 2'd0: gain = 4'd3; 2'd1: gain = 4'd9; default: gain = 4'd12; endcase
endmodule
"""
MEMORY = """// Words
// 16 words of 8 bits (128 bits), one write port, one read port, read_data 1 clock after read_en.
module cache (input wire clk, input wire write_en, input wire [3:0] write_addr, input wire [7:0] write_data,
    input wire read_en, input wire [3:0] read_addr, output reg [7:0] read_data);
    reg [7:0] words [0:15];
    always @(posedge clk) begin
        if (write_en) words[write_addr] <= write_data;
        if (read_en) read_data <= words[read_addr];
    end
endmodule
"""
KEEPER = """
module keeper(input clk, input [3:0] a, input [7:0] d, output [7:0] q);
    cache kept (.clk(clk), .write_en(a[0]), .write_addr(a), .write_data(d),
                  .read_en(a[1]), .read_addr(a), .read_data(q));
endmodule
"""
TOP = """
module chip(input clk, input rst, input [3:0] x, output [2:0] p, output [2:0] q, output [3:0] g, output [7:0] o);
    tile one (.clk(clk), .step(x[0]), .x(x), .r0(p));
    tile two (.clk(clk), .step(x[1]), .x(x), .r0(q));
    gain three (.beat(x[1:0]), .gain(g));
    keeper four (.clk(clk), .a(x), .d({x, x}), .q(o));
    block five (.clk(clk), .rst(rst), .en(x[2]), .a(5'd3), .b(x), .c(x), .y(), .z(), .w(), .m());
endmodule
"""
MODULES: dict[Module, str] = {
    SharedModule("adders", "rtl/structural/adders.v", "shared", "structural"): "// not read",
    TileModule("tile", "rtl/structural/tile.v", "tile", "structural"): TILE,
    TableModule("gain", "rtl/tiles/gain.sv", "table", "norm"): ROM,
    MemoryModule.of("cache", 16, 8): MEMORY,
    BlockModule.of("keeper"): KEEPER,
    BlockModule.of("block"): BLOCK,
    NetlistModule.of("chip"): TOP,
}
TILES = [TileContent("tile", ("q", "k"), (0,), 1, (0, 1, 2, 3), weights=8, zero_weights=0, full_adders=8)]


def chip(folder: Path) -> Path:
    """What a bake leaves of a chip with two tiles of one kind, a table, two blocks and a memory in one of them."""
    files = {module.path: text for module, text in MODULES.items()}
    return handmade(folder, files, list(MODULES), TILES).path
