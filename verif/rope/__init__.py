"""Testbench of rotary position embedding."""
