"""Testbench of the sampler."""
