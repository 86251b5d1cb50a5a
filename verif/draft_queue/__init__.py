"""Testbench of the draft's queue."""
