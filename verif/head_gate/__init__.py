"""Testbench of the gate in front of the LM head."""
