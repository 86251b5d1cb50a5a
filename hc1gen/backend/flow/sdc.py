"""Timing constraints, the same for the chip and for each block of it."""

from collections.abc import Iterator

CLOCK_NS = 20.0
"""Clock period that the flows ask for."""
OUTSIDE = 5
"""A fifth of the period passes outside, before an input and after an output."""


def sdc() -> Iterator[str]:
    """Lines of the SDC file."""
    yield "# Timing of the chip, and of each of its tiles as a block."
    yield "# One clock; the reset is synchronous, so that no path is false or asynchronous."
    yield f"create_clock -name clk -period {CLOCK_NS:.1f} [get_ports clk]"
    yield f"set_input_delay {CLOCK_NS / OUTSIDE:.1f} -clock clk [all_inputs -no_clocks]"
    yield f"set_output_delay {CLOCK_NS / OUTSIDE:.1f} -clock clk [all_outputs]"
