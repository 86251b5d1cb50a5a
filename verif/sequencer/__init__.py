"""Testbench of the chip's control, with a model of the pipelines round it."""
