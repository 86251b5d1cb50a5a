"""Testbench of the temperature's slope."""
