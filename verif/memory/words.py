"""The cocotb side: random writes and reads against a dictionary, clock by clock."""

import random
from typing import Any

import cocotb
from bench.case import load_case
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

CASE = load_case()


@cocotb.test()
async def words(dut: Any) -> None:
    """A read gives, `read_latency` clocks later and until the next read, the word as it was before a write of the same
    clock."""
    rng, model, word = random.Random(cocotb.RANDOM_SEED), {}, None
    coming = [None] * CASE.read_latency
    Clock(dut.clk, 2, "step", impl="gpi").start()
    compared = 0
    for clock in range(CASE.clocks):
        address = clock if clock < CASE.depth else rng.randrange(CASE.depth)
        read = address if rng.random() < 0.3 else rng.randrange(CASE.depth)
        write_en, read_en = clock < CASE.depth or rng.random() < 0.5, read in model and rng.random() < 0.6
        dut.write_en.value, dut.write_addr.value = int(write_en), address
        dut.read_en.value, dut.read_addr.value = int(read_en), read
        data = rng.getrandbits(CASE.width)
        dut.write_data.value = data
        await RisingEdge(dut.clk)
        expected = coming.pop(0)
        if expected is not None:
            assert dut.read_data.value == expected, (
                f"clock {clock}: got {int(dut.read_data.value):#x}, expected {expected:#x}"
            )
            compared += 1
        word = model[read] if read_en else word
        coming.append(word)
        if write_en:
            model[address] = data
    assert compared > CASE.clocks // 2
