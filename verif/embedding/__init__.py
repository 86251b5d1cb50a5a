"""Testbench of the embedding: its ROM and the block that reads it; `shapes` also serves the blocks around it."""
