"""The cocotb side of the layer's test: like `bench.compare`, with a reset at many places."""

from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Testbench

CASE = load_case()


def add(bench: Testbench, expected: list[int] | None) -> None:
    """Driver and monitor of the residual stream."""
    bench.drive("x", CASE.inputs)
    bench.expect("y", expected)


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def vectors(dut: Any, pattern: str) -> None:
    """After runs that a reset cut short, inputs give exactly the outputs."""
    bench = Testbench(dut, pattern)
    for after in CASE.interrupts:
        add(bench, None)
        await bench.interrupt(after)
    add(bench, CASE.outputs)
    await bench.run(CASE.timeout)
