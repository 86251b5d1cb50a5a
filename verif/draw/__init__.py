"""Testbench of the draw and of its multiplier."""
