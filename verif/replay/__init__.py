"""Testbench of the replay buffer."""
