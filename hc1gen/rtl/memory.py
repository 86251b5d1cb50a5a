"""The memories of the chip, KV caches and score buffers: Verilog modules that a flow can replace by SRAM macros."""

from dataclasses import dataclass

READ_LATENCY = 1
"""Clocks from `read_en` to the word on `read_data`. The word stands there until the next read."""


@dataclass(frozen=True)
class Memory:
    """A memory with one write port and one read port.

    A word that is read in the clock in which it is written has its old content. After power-up the contents are
    undefined; there is no reset.

    Parameters
        name: name of the module.
        words: number of words, at least 1.
        bits: width of a word.
        holds: what the memory holds, for the comment at the top of its Verilog.
    """

    name: str
    words: int
    bits: int
    holds: str

    def verilog(self) -> str:
        """The text of the Verilog module."""
        words, bits = self.words, self.bits
        top = max(words - 1, 1).bit_length() - 1
        return f"""// {self.holds}
// {words} words of {bits} bits ({words * bits} bits), one write port, one read port, read_data 1 clock after read_en.
// The chip never reads a word in the clock in which it writes it, so any SRAM macro of this size can be used.
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
