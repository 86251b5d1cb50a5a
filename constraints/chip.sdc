# Timing of the chip, and of each of its tiles as a block.
# One clock; the reset is synchronous, so that no path is false or asynchronous.
create_clock -name clk -period 20.0 [get_ports clk]
set_input_delay 4.0 -clock clk [all_inputs -no_clocks]
set_output_delay 4.0 -clock clk [all_outputs]
