"""The cocotb side of what is left: beats with gaps, resets in the middle."""

import random
from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench
from cocotb.triggers import RisingEdge

CASE = load_case()
PORTS = ("e_p", "e_q", "z_p", "z_q")
GAP = 0.1


@cocotb.test()
async def beats(dut: Any) -> None:
    """Every beat is right, comes `latency` clocks later and at no other time; those that a reset cuts short, never.

    A sum stands while beats are on their way, so that it changes between beats as far apart as that.
    """
    bench = Testbench(dut, constants={"e_valid": 0})
    rng = random.Random(cocotb.RANDOM_SEED)
    sums, due = CASE.questions[0][2:], []
    for index, question in enumerate(CASE.questions):
        if index % 997 == 1 or index in (5, 6, 7):
            await bench.reset()
            due = []
        wait = CASE.latency if question[2:] != sums else 0
        while wait or rng.random() < GAP:
            wait = max(wait - 1, 0)
            await _clock(dut, due, None)
        sums = question[2:]
        for port, value in zip(PORTS, question, strict=True):
            getattr(dut, port).value = value
        await _clock(dut, due, CASE.answers[index])
    for _ in range(CASE.latency + 2):
        await _clock(dut, due, None)
    assert len(due) == CASE.latency


async def _clock(dut: Any, due: list[int | None], answer: int | None) -> None:
    """One clock, with a beat if there is an answer to come."""
    due.append(answer)
    dut.e_valid.value = int(answer is not None)
    await RisingEdge(dut.clk)
    expected = due.pop(0) if len(due) > CASE.latency else None
    assert dut.w_valid.value == int(expected is not None)
    assert expected is None or dut.w.value == expected, f"got {int(dut.w.value):#x}, expected {expected:#x}"
