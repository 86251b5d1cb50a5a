"""A baked chip on an FPGA board: behind a serial line, through yosys and nextpnr to a bitstream for an ECP5."""
