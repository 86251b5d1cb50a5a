"""Training for the chip: quantisation-aware distillation, with the chip's own arithmetic in the forward pass.

The only package that imports torch; `require.py` says what is missing where it is not installed.
"""
