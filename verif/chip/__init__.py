"""Tests of whole chips, on the Verilog that `hc1gen bake` writes."""
