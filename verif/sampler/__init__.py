"""Testbench of the greedy sampler."""
