"""Testbench of SwiGLU."""
