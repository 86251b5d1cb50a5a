"""Testbench of the verifier, with a model of the draft's queue beside it."""
