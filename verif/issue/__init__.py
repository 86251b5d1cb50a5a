"""Testbench of the registers through which tokens enter the pipelines."""
