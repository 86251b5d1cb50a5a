"""The cocotb side: a host at the other end of the serial line."""

from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import PERIOD
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer, with_timeout

from hc1gen.backend.fpga.link import Link

CASE = load_case()
LINK = Link(**CASE.link)
BIT = PERIOD * CASE.bit_clocks
"""Simulator time steps per bit."""


async def send(dut: Any, message: bytes) -> None:
    """Bytes to the board, one after another."""
    for byte in message:
        for bit in (0, *(byte >> i & 1 for i in range(8)), 1):
            dut.rx.value = bit
            await Timer(BIT, "step")


async def receive(dut: Any, count: int) -> bytes:
    """The next `count` bytes from the board."""
    found = []
    for _ in range(count):
        await FallingEdge(dut.tx)
        await Timer(BIT // 2, "step")
        assert dut.tx.value == 0, "a start bit is too short"
        byte = 0
        for i in range(8):
            await Timer(BIT, "step")
            byte |= int(dut.tx.value) << i
        await Timer(BIT, "step")
        assert dut.tx.value == 1, "no stop bit"
        found.append(byte)
    return bytes(found)


@cocotb.test()
async def talks(dut: Any) -> None:
    """Every prompt gets its answer, whatever was answered before; no token is lost."""
    dut.rx.value, dut.reset.value = 1, 1
    Clock(dut.clk_in, PERIOD, "step", impl="gpi").start()
    await Timer(40 * PERIOD, "step")
    dut.reset.value = 0
    await Timer(40 * PERIOD, "step")
    for prompt, answer in CASE.talks:
        cocotb.start_soon(send(dut, bytes.fromhex(prompt)))
        size = LINK.out_bytes
        received = await with_timeout(receive(dut, len(answer) * size), CASE.timeout * PERIOD, "step")
        words = [int.from_bytes(received[i : i + size], "little") for i in range(0, len(received), size)]
        said = [LINK.said.from_bits(word) for word in words]
        assert [(each.out.as_bits(), each.padding) for each in said] == [(word, 0) for word in answer]
    assert dut.lost.value == 0


@cocotb.test()
async def tells_what_is_lost(dut: Any) -> None:
    """A prompt sent into the longest answer: the board says that the chip did not take it all."""
    dut.rx.value, dut.reset.value = 1, 1
    Clock(dut.clk_in, PERIOD, "step", impl="gpi").start()
    await Timer(40 * PERIOD, "step")
    dut.reset.value = 0
    await Timer(40 * PERIOD, "step")
    for prompt, _ in CASE.talks[2:] * 2:
        await send(dut, bytes.fromhex(prompt))
    assert dut.lost.value == 1
