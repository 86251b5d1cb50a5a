"""Testbench of the test that a proposed token passes or not."""
