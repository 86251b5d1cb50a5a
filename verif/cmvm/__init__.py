"""Testbench of CMVM: a tile and its controller together; and proof that the bench sees a wrong tile."""
