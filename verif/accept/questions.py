"""The cocotb side: questions one after the other, the next begun in the clock of the answer to the last."""

import random
from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench
from cocotb.triggers import RisingEdge

CASE = load_case()
PORTS = ("random", "e_p", "z_p", "e_q", "z_q")


class Port:
    """An input that is written only when it changes: there are many questions."""

    def __init__(self, signal: Any):
        self.signal, self.value = signal, -1

    def set(self, value: int) -> None:
        """Write."""
        if value != self.value:
            self.signal.value = self.value = value


@cocotb.test()
async def questions(dut: Any) -> None:
    """Every answer is right and comes after exactly `latency` clocks; what a reset cuts short is never answered."""
    bench = Testbench(dut, constants={"start": 0})
    rng = random.Random(cocotb.RANDOM_SEED)
    ports = [Port(getattr(dut, port)) for port in PORTS]
    for cut in range(CASE.latency + 1):
        await bench.reset()
        await _ask(dut, ports, rng.choice(CASE.questions), cut)
    await bench.reset()
    for _ in range(2 * CASE.latency):
        await RisingEdge(dut.clk)
        assert not dut.done.value, "an answer to a question that a reset cut short"
    for question, answer in zip(CASE.questions, CASE.answers, strict=True):
        await _ask(dut, ports, question, CASE.latency)
        assert dut.done.value, f"no answer after {CASE.latency} clocks: {question}"
        assert dut.accepted.value == answer, f"{dict(zip(PORTS, question, strict=True))}: expected {answer}"


async def _ask(dut: Any, ports: list[Port], question: list[int], clocks: int) -> None:
    """Start, and wait until `clocks` clocks later; no answer in between."""
    for port, value in zip(ports, question, strict=True):
        port.set(value)
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value = 0
    for clock in range(clocks):
        await RisingEdge(dut.clk)
        assert clock == clocks - 1 or not dut.done.value, f"an answer after {clock + 1} clocks"
