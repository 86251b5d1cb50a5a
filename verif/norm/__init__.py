"""Testbench of RMSNorm and its table of gains."""
