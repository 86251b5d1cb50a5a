"""Testbench of the random number generator."""
