"""The cocotb side: positions in, random words out, the seed changing as the words of each leave."""

from typing import Any

import cocotb
from bench.case import load_case
from bench.stalls import STALL_PATTERNS, Pauses
from bench.stream import Monitor, Testbench
from bench.timing import check_spans

CASE = load_case()


class WordMonitor(Monitor):
    """Sets the seed for the first position, and for each next one when the words before have left."""

    def __init__(self, dut: Any, expected: list[int] | None, stall: Pauses):
        super().__init__(dut, "y", expected, stall)
        self.seed = dut.seed

    def _take_note(self) -> None:
        if len(self.words) < len(CASE.seeds):
            self.seed.value = CASE.seeds[len(self.words)]
        super()._take_note()


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def words(dut: Any, pattern: str) -> None:
    """Runs cut short by a reset leave no trace; then all words are right, at the stated clock."""
    bench = Testbench(dut, pattern)
    stall = STALL_PATTERNS[pattern].stall
    for after in (1, 2, 7, CASE.latency, CASE.latency + 1, CASE.latency + 15):
        bench.drive("x", CASE.positions)
        bench.monitors.append(WordMonitor(dut, None, stall))
        await bench.interrupt(after)
    x, y = bench.drive("x", CASE.positions), WordMonitor(dut, CASE.words, stall)
    bench.monitors.append(y)
    await bench.run()
    if pattern == "none":
        took = {out - into for into, out in zip(x.cycles, y.cycles, strict=True)}
        assert took == {CASE.latency}, f"latency {took}, stated {CASE.latency}"
        check_spans(CASE.timing, {end.name: end.cycles for end in (x, y)})
