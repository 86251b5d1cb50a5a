"""The cocotb side of the multiplier: products, when they come, and how long they stand."""

import random
from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench
from cocotb.triggers import RisingEdge

CASE = load_case()


@cocotb.test()
async def products(dut: Any) -> None:
    """Also after a start while busy, and after a reset."""
    bench, rng = Testbench(dut), random.Random(cocotb.RANDOM_SEED)
    dut.start.value = 0
    await bench.reset()
    for index in range(400):
        a, b = (rng.choice([0, (1 << bits) - 1] + [rng.getrandbits(bits)] * 4) for bits in CASE.widths)
        dut.start.value, dut.a.value, dut.b.value = 1, a, b
        await RisingEdge(dut.clk)
        dut.start.value, dut.a.value = 0, rng.getrandbits(CASE.widths[0])
        for clock in range(1, CASE.latency):
            await RisingEdge(dut.clk)
            assert dut.done.value == 0, f"done after {clock} clocks"
            if clock == index % 5 == index % 7:
                break
        else:
            for standing in range(rng.randint(1, 4)):
                dut.start.value = 0
                await RisingEdge(dut.clk)
                assert dut.done.value == (standing == 0), f"{standing} clocks too late: done is {dut.done.value}"
                assert dut.product.value == a * b, f"{a} * {b} gives {int(dut.product.value)}"
                dut.b.value = rng.getrandbits(CASE.widths[1])
        if index % 11 == 0:
            dut.start.value = 0
            await bench.reset()
            await RisingEdge(dut.clk)
            assert dut.done.value == 0
