"""hc1gen turns a trained language model into a chip: every 3-bit weight becomes hardwired logic."""

__version__ = "0.3.0"
