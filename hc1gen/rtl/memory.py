"""Memories of the chip: KV caches and score buffers, as text modules that a flow can replace by SRAM macros."""

from dataclasses import dataclass

READ_LATENCY = 1
"""Clocks from `read_en` to the word on `read_data`, where it stands until the next read."""


@dataclass(frozen=True)
class Memory:
    """Module `name`: `words` of `bits`, one write port, one read port; `holds` says what.

    A word read in the clock in which it is written has its old content. Contents are undefined after power-up.
    """

    name: str
    words: int
    bits: int
    holds: str

    def verilog(self) -> str:
        """Its module."""
        words, bits = self.words, self.bits
        top = max(words - 1, 1).bit_length() - 1
        return f"""// {self.holds}
// {words} words of {bits} bits ({words * bits} bits), one write port, one read port, read_data 1 clock after read_en.
// No word is read in the clock in which it is written, so that any SRAM macro of this size will do.
module {self.name} (
    input wire clk,
    input wire write_en,
    input wire [{top}:0] write_addr,
    input wire [{bits - 1}:0] write_data,
    input wire read_en,
    input wire [{top}:0] read_addr,
    output reg [{bits - 1}:0] read_data
);
    reg [{bits - 1}:0] words [0:{words - 1}];
    always @(posedge clk) begin
        if (write_en) words[write_addr] <= write_data;
        if (read_en) read_data <= words[read_addr];
    end
endmodule
"""
