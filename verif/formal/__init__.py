"""Proofs of what no testbench can try out: everything that can happen, not what did."""
