"""Testbench of the skip connection round a sublayer."""
