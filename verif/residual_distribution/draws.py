"""The cocotb side of drawing from what is left: a summing pass and a scanning pass for each random number."""

import random
from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench, clocks
from cocotb.triggers import RisingEdge

CASE = load_case()


@cocotb.test()
async def draws(dut: Any) -> None:
    """Every draw gives the golden function's token."""
    bench = Testbench(dut, constants={"w_valid": 0, "clear": 0})
    noise = random.Random(cocotb.RANDOM_SEED)
    await bench.reset()
    for vector, answers in zip(CASE.vectors, CASE.answers, strict=True):
        for number, answer in zip(CASE.numbers, answers, strict=True):
            await _pass(dut, vector, scan=0)
            dut.random.value = number
            await clocks(dut.clk, CASE.sum_latency)
            assert dut.summed.value
            dut.random.value = noise.getrandbits(len(dut.random))
            await clocks(dut.clk, CASE.scale_latency - 1)
            await _pass(dut, vector, scan=1)
            await clocks(dut.clk, CASE.find_latency)
            assert dut.found.value
            assert dut.token.value == answer, f"{number:#x}: got {int(dut.token.value)}, expected {answer}"
            dut.clear.value = 1
            await RisingEdge(dut.clk)
            dut.clear.value = 0


async def _pass(dut: Any, vector: list[int], scan: int) -> None:
    """All beats of a vector."""
    dut.scan.value, dut.w_valid.value = scan, 1
    for beat, weights in enumerate(vector):
        dut.w_beat.value, dut.w.value = beat, weights
        await RisingEdge(dut.clk)
    dut.w_valid.value = 0
