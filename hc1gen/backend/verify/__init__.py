"""Reads the model back from the Verilog and compares it with the checkpoint. docs/provenance.md says what is proved.

The Verilog is read by yosys. No module of this package imports the code that writes the Verilog.
"""
