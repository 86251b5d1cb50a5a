"""Testbench of one transformer layer with its tiles."""
