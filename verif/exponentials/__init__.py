"""Testbench of the logit buffer, its largest logit and its exponentials."""
