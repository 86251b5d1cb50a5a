"""The cocotb side: tokens one after the other, the position port changing as the last beat of each leaves."""

from typing import Any

import cocotb
from bench.case import load_case
from bench.stalls import Pauses
from bench.stream import Driver, Monitor, Testbench, clock_now
from bench.timing import check_spans
from cocotb.triggers import RisingEdge

CASE = load_case()


class TokenMonitor(Monitor):
    """Sets `position` for the first token, and for each next one when the one before has left."""

    def __init__(self, dut: Any, expected: list[int] | None, stall: Pauses):
        super().__init__(dut, "y", expected, stall)
        self.position = dut.position
        self.beats = len(CASE.outputs) // len(CASE.positions)

    def _take_note(self) -> None:
        token, beat = divmod(len(self.words), self.beats)
        if beat == 0 and token < len(CASE.positions):
            self.position.value = CASE.positions[token]
        super()._take_note()


class TokenBench(Testbench):
    """Words of all tokens into `x`, contexts of all tokens out of `y`."""

    def tokens(self, expected: list[int] | None) -> None:
        self.drive("x", CASE.inputs)
        self.monitors.append(TokenMonitor(self.dut, expected, self._pattern.stall))


def clocks_taken(driver: Driver, monitor: TokenMonitor) -> list[int]:
    """From the last beat in to the last beat of the first time out, of each token."""
    per_token = len(driver.words) // len(CASE.positions)
    last_in = driver.cycles[per_token - 1 :: per_token]
    last_out = monitor.cycles[monitor.beats // CASE.times - 1 :: monitor.beats]
    return [out - into for into, out in zip(last_in, last_out, strict=True)]


async def watch(dut: Any, cycles: list[int]) -> None:
    """Note the first clock of each `active`, which is that of a word."""
    before = False
    while True:
        await RisingEdge(dut.clk)
        active = bool(dut.active.value and not dut.rst.value)
        if active and not before:
            cycles.append(clock_now())
        before = active


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def tokens(dut: Any, pattern: str) -> None:
    """Runs cut short by a reset leave no trace but the cache's; then every context is the golden model's."""
    bench = TokenBench(dut, pattern)
    for clocks in CASE.interrupts:
        bench.tokens(None)
        await bench.interrupt(clocks)
    bench.tokens(CASE.outputs)
    ends = bench.drivers[0], bench.monitors[0]
    cycles: dict[str, list[int]] = {"x": ends[0].cycles, "y": ends[1].cycles, "active": []}
    watching = cocotb.start_soon(watch(dut, cycles["active"]))
    await bench.run(CASE.timeout)
    watching.cancel()
    if pattern == "none":
        took = clocks_taken(*ends)
        assert took == CASE.clocks, f"clocks from last beat in to last beat out: got {took}, expected {CASE.clocks}"
        check_spans(CASE.timing, cycles)
