"""The cocotb side: a temperature in every clock."""

from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench
from cocotb.triggers import RisingEdge

CASE = load_case()


@cocotb.test()
async def slopes(dut: Any) -> None:
    """Every slope at the stated clock; that of temperature 0 may be any."""
    bench = Testbench(dut)
    await bench.reset()
    waiting: list[int | None] = [None] * CASE.latency
    for temperature, slope in zip(CASE.temperatures, CASE.slopes, strict=True):
        dut.temperature.value = temperature
        waiting.append(slope)
        await RisingEdge(dut.clk)
        expected = waiting.pop(0)
        if expected is not None:
            got = int(dut.greedy.value), int(dut.slope.value) if expected else 0
            assert got == (expected == 0, expected), f"greedy, slope: got {got}, expected slope {expected}"
