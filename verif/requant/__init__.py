"""Testbench of requantisation."""
