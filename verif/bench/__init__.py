"""Testbenches: build a block with Verilator, drive and watch its streams under cocotb, compare exactly.

`check_streams` is all that most unit tests need. `simulate` runs a cocotb module of one's own, which finds
`Testbench`, `Driver` and `Monitor` in `bench.stream` and its parameters with `load_case`.
"""
