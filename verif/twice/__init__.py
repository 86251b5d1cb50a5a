"""Testbench of the memory that says a vector twice."""
