"""Testbench of block floating point, with and without a factor."""
