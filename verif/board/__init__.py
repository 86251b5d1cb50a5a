"""Testbench of the chip behind a serial line, as it stands in an FPGA."""
