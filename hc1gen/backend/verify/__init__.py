"""Reading the model back out of Verilog, and comparing it with the checkpoint. docs/provenance.md says what is proved.

Nothing here imports what writes the Verilog: yosys reads it.
"""
