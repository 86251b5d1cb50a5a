"""The cocotb side of `check_streams`: one test per stall pattern of the case."""

from typing import Any

import cocotb

from bench.case import load_case
from bench.stream import Testbench
from bench.timing import check_spans

CASE = load_case()
INTERRUPT_CLOCKS = 23
"""How far into its words the design is when a reset hits it; any number that catches pipelines half full."""


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def streams(dut: Any, pattern: str) -> None:
    """A run cut short by a reset leaves no trace; then the inputs give exactly the outputs, at the stated clocks."""
    bench = Testbench(dut, pattern, CASE.constants)
    _add(bench, outputs=dict.fromkeys(CASE.outputs))
    await bench.interrupt(INTERRUPT_CLOCKS)
    _add(bench, outputs=CASE.outputs)
    ends = [*bench.drivers, *bench.monitors]
    await bench.run(CASE.timeout)
    if pattern == "none":
        check_spans(CASE.timing, {end.name: end.cycles for end in ends})


def _add(bench: Testbench, outputs: dict[str, list[int] | None]) -> None:
    for name, words in CASE.inputs.items():
        bench.drive(name, words)
    for name, expected in outputs.items():
        bench.expect(name, expected)
