"""Testbench of what is left of a distribution after a rejection, and of drawing from it."""
