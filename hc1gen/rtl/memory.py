"""Memories of the chip: KV caches and score buffers, as text modules that a flow can replace by SRAM macros."""

READ_LATENCY = 1
"""Clocks from `read_en` to the word on `read_data`, where it stands until the next read."""


def memory_module(name: str, depth: int, width: int, holds: str) -> str:
    """Verilog of a memory of `depth` words of `width` bits: one write port, one read port.

    A word read in the clock in which it is written has its old content. Contents are undefined after power-up.
    """
    top = max(depth - 1, 1).bit_length() - 1
    return f"""// {holds}
// {depth} words of {width} bits ({depth * width} bits), one write port, one read port, read_data 1 clock after read_en.
// No word is read in the clock in which it is written, so that any SRAM macro of this size will do.
module {name} (
    input wire clk,
    input wire write_en,
    input wire [{top}:0] write_addr,
    input wire [{width - 1}:0] write_data,
    input wire read_en,
    input wire [{top}:0] read_addr,
    output reg [{width - 1}:0] read_data
);
    reg [{width - 1}:0] words [0:{depth - 1}];
    always @(posedge clk) begin
        if (write_en) words[write_addr] <= write_data;
        if (read_en) read_data <= words[read_addr];
    end
endmodule
"""
